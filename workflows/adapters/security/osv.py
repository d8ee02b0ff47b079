"""Security advisories from files in the OSV format, https://ossf.github.io/osv-schema/.

The files are those of https://osv.dev: ``PyPI/all.zip`` of its public bucket, or a folder with such
JSON files. Nothing is fetched: the operator renews the files.
"""

import os
import zipfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import cvss
import msgspec
from packaging.utils import canonicalize_name, canonicalize_version
from packaging.version import InvalidVersion, Version

from workflows.adapters.security.severities import rank
from workflows.errors import ToolFailedError, ToolMissingError
from workflows.messages.security import Severity

ECOSYSTEM = "PyPI"
_MALICIOUS = "MAL-"
_TEXT = 160
_NAMED = {
    "CRITICAL": Severity.CRITICAL,
    "HIGH": Severity.HIGH,
    "MODERATE": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "LOW": Severity.LOW,
    "NONE": Severity.LOW,
}


class Event(msgspec.Struct, frozen=True):
    """A version at which a range begins or ends."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None

    @property
    def version(self) -> str:
        """The version of the event."""
        return self.introduced or self.fixed or self.last_affected or "0"


class Range(msgspec.Struct, frozen=True):
    """A range of affected versions."""

    type: str
    events: tuple[Event, ...] = ()


class Package(msgspec.Struct, frozen=True):
    """The name of a package in its ecosystem."""

    ecosystem: str
    name: str


class Score(msgspec.Struct, frozen=True):
    """A severity: a CVSS vector."""

    type: str
    score: str


class Affected(msgspec.Struct, frozen=True):
    """The affected versions of one package."""

    package: Package | None = None
    ranges: tuple[Range, ...] = ()
    versions: tuple[str, ...] = ()
    severity: tuple[Score, ...] = ()


class DatabaseSpecific(msgspec.Struct, frozen=True):
    """What GitHub's advisories add: a severity as a word, and numbers of the CWE list."""

    severity: str | None = None
    cwe_ids: tuple[str, ...] | None = None


class Advisory(msgspec.Struct, frozen=True, dict=True):
    """One advisory, reduced to what a scan needs."""

    id: str
    modified: str = ""
    withdrawn: str | None = None
    aliases: tuple[str, ...] | None = None
    summary: str = ""
    details: str = ""
    severity: tuple[Score, ...] | None = None
    affected: tuple[Affected, ...] = ()
    database_specific: DatabaseSpecific | None = None

    @property
    def text(self) -> str:
        """A line about it: the summary, or the beginning of the details."""
        line = (self.summary or self.details).strip().partition("\n")[0]
        return line if len(line) <= _TEXT else f"{line[:_TEXT]}…"

    @property
    def names(self) -> frozenset[str]:
        """The ids under which databases list it."""
        return frozenset({self.id, *(self.aliases or ())})

    @cached_property
    def rating(self) -> Severity:
        """The worst of its CVSS ratings, or the database's word; HIGH if it has neither."""
        if self.id.startswith(_MALICIOUS):
            return Severity.CRITICAL
        scores = [
            *(self.severity or ()),
            *(each for one in self.affected for each in one.severity),
        ]
        ratings = [rating for score in scores if (rating := _rating(score)) is not None]
        if ratings:
            return min(ratings, key=rank)
        word = self.database_specific and self.database_specific.severity
        return _NAMED.get((word or "HIGH").upper(), Severity.HIGH)

    @property
    def cwe(self) -> int | None:
        """The first number of the CWE list, if the database has one."""
        ids = (self.database_specific and self.database_specific.cwe_ids) or ()
        numbers = [each.removeprefix("CWE-") for each in ids]
        return int(numbers[0]) if numbers and numbers[0].isdigit() else None

    def affects(self, package: str, version: str) -> bool:
        """Return whether a version of a package is affected."""
        return any(
            _is_listed(version, affected.versions)
            or any(_is_within(version, each.events) for each in _comparable(affected))
            for affected in self._of(package)
        )

    def fixed_in(self, package: str, version: str) -> str | None:
        """Return the first later version that is not affected, if one is known."""
        fixes = {
            event.fixed
            for affected in self._of(package)
            for each in _comparable(affected)
            for event in each.events
            if event.fixed is not None and _is_newer(event.fixed, version)
        }
        return min(fixes, key=Version) if fixes else None

    def _of(self, package: str) -> Iterator[Affected]:
        for affected in self.affected:
            if _key(affected) == package:
                yield affected


class Advisories:
    """The advisories of a folder or a zip file, by package; read again when the files change.

    Args:
        path: A folder with ``*.json`` files, or a zip file of such files.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: object = None
        self._by_package: dict[str, list[Advisory]] = {}
        self.name = ""

    def read(self) -> None:
        """Read the files, unless they are as they were.

        Raises:
            ToolMissingError: There are no advisories.
            ToolFailedError: A file cannot be read as an advisory.
        """
        state = self._state()
        if state == self._seen:
            return
        by_package: dict[str, list[Advisory]] = {}
        newest, number = "", 0
        for name, content in self._files():
            advisory = _decoded(name, content)
            newest, number = max(newest, advisory.modified), number + 1
            if advisory.withdrawn is None:
                for package in {key for each in advisory.affected if (key := _key(each))}:
                    by_package.setdefault(package, []).append(advisory)
        if not number:
            raise ToolMissingError(
                f"{self._path} has no advisories: unpack PyPI/all.zip of osv.dev there"
            )
        self._by_package = by_package
        self.name = f"osv/{newest[:10]}"
        self._seen = state

    def of(self, package: str) -> Sequence[Advisory]:
        """Return the advisories about a package, given by its normalized name."""
        return self._by_package.get(package, ())

    def _state(self) -> object:
        try:
            if self._path.is_dir():
                with os.scandir(self._path) as entries:
                    return sorted(
                        (entry.name, entry.stat().st_mtime_ns, entry.stat().st_size)
                        for entry in entries
                        if entry.name.endswith(".json")
                    )
            stat = self._path.stat()
        except OSError as error:
            raise ToolMissingError(
                f"no advisories in {self._path} ({error.strerror}): "
                "put PyPI/all.zip of osv.dev there"
            ) from error
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _files(self) -> Iterator[tuple[str, bytes]]:
        try:
            if self._path.is_dir():
                for path in sorted(self._path.glob("*.json")):
                    yield str(path), path.read_bytes()
                return
            with zipfile.ZipFile(self._path) as archive:
                for name in sorted(archive.namelist()):
                    if name.endswith(".json"):
                        yield f"{self._path}, {name}", archive.read(name)
        except (OSError, zipfile.BadZipFile) as error:
            raise ToolFailedError(f"{self._path} cannot be read: {error}") from error


def normalized(package: str) -> str:
    """Return the normalized name of a package, by which advisories are found."""
    return str(canonicalize_name(package))


def _decoded(name: str, content: bytes) -> Advisory:
    try:
        return msgspec.json.decode(content, type=Advisory)
    except msgspec.DecodeError as error:
        raise ToolFailedError(f"{name} is not an OSV advisory: {error}") from error


def _key(affected: Affected) -> str | None:
    package = affected.package
    if package is None or package.ecosystem.partition(":")[0] != ECOSYSTEM:
        return None
    return normalized(package.name)


def _comparable(affected: Affected) -> Iterator[Range]:
    # A range of type GIT has commits, not versions.
    return (each for each in affected.ranges if each.type != "GIT")


def _is_listed(version: str, versions: Sequence[str]) -> bool:
    wanted = canonicalize_version(version)
    return any(canonicalize_version(each) == wanted for each in versions)


def _is_within(version: str, events: Sequence[Event]) -> bool:
    """Evaluate a range as the OSV schema specifies ("Evaluation")."""
    at = _parsed(version)
    if at is None:
        return False
    # An end that cannot be compared is left out: the range is then longer, never shorter.
    dated = [
        (parsed, event) for event in events if (parsed := _parsed(event.version)) is not None
    ]
    affected = False
    for bound, event in sorted(dated, key=lambda each: each[0]):
        if event.introduced is not None and at >= bound:
            affected = True
        elif (event.fixed is not None and at >= bound) or (
            event.last_affected is not None and at > bound
        ):
            affected = False
    return affected


def _is_newer(version: str, than: str) -> bool:
    one, other = _parsed(version), _parsed(than)
    return one is not None and other is not None and one > other


def _parsed(version: str) -> Version | None:
    try:
        # A local version (2.0+cpu) is a build of the public one.
        return Version(Version(version).public)
    except InvalidVersion:
        return None


def _rating(score: Score) -> Severity | None:
    try:
        match score.type:
            case "CVSS_V2":
                word = cvss.CVSS2(score.score).severities()[0]
            case "CVSS_V3":
                word = cvss.CVSS3(score.score).severities()[0]
            case "CVSS_V4":
                word = cvss.CVSS4(score.score).severity
            case _:
                return None
    except cvss.CVSSError:
        return None
    return _NAMED.get(word.upper())
