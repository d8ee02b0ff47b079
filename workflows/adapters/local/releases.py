"""Releases on this machine: a ``Deployer`` that uses folders.

.. code-block:: text

    deployments/<environment>/<service>/
        lock
        releases/<release>/          the files; never changed
        cards/<release>.json         its digest, the previous release, and its health
        current -> releases/<release>

A release is written under a temporary name and renamed, so each folder in ``releases`` is complete.
``current`` is switched by renaming a symbolic link over it. After a kill between the switch and the
health check, the card does not say that the release is healthy, and the retry checks it.
"""

import time
from enum import StrEnum
from hashlib import sha256
from pathlib import Path, PurePosixPath

from workflows.adapters.local import files
from workflows.adapters.local.checks import Checks
from workflows.adapters.local.files import Stop
from workflows.adapters.processes import Finished
from workflows.errors import (
    DeploymentUnhealthyError,
    InvalidInputError,
    NotDeployedError,
    ReleaseConflictError,
    RunUndoneError,
)
from workflows.messages.deployment import (
    Deployed,
    DeploymentRolledBack,
    DeployRequest,
    ReleaseRef,
    Verification,
)
from workflows.messages.message import Message

_OUTPUT = 4_000
"""Maximum characters of a check's output that are kept, from its end."""
_PATH_PARTS = 8

_NEVER_MADE = ""
"""The digest of a release that was rolled back before it existed."""


class _Health(StrEnum):
    UNKNOWN = "unknown"
    WELL = "well"
    UNWELL = "unwell"


class _Card(Message):
    """The record of a release."""

    release: str
    sha256: str
    smoke_check: str | None
    previous: str | None = None
    health: _Health = _Health.UNKNOWN
    finding: str = ""
    taken_back: bool | None = None
    """Whether its roll-back changed anything; None if no roll-back was requested."""


class LocalDeployer:
    """A ``Deployer``.

    Args:
        folder: The folder of the deployments; created if it is missing.
        checks: Runs the smoke checks of deployed releases.
    """

    def __init__(self, folder: Path, checks: Checks) -> None:
        self._folder = folder
        self._checks = checks

    async def deploy(self, request: DeployRequest) -> Deployed:
        """Make a release current, if it is healthy."""
        service = self._service(request)
        digest = _digest(request)
        card = await files.in_thread(lambda stop: service.stage(request, digest, stop))
        if card.health is _Health.UNKNOWN:
            finished = await self._checks.run(service.place(card.release), card.smoke_check)
            card = await files.in_thread(lambda stop: service.judge(card, finished, stop))
        if card.taken_back is not None:
            raise RunUndoneError(f"release {card.release} of {request.service} was rolled back")
        if card.health is _Health.UNWELL:
            raise DeploymentUnhealthyError(
                f"release {card.release} of {request.service} is not healthy, "
                f"{card.previous or 'none'} is current again: {card.finding}"
            )
        return Deployed(
            environment=request.environment,
            service=request.service,
            release=card.release,
            previous=card.previous,
            sha256=card.sha256,
        )

    async def roll_back(self, release: ReleaseRef) -> DeploymentRolledBack:
        """Make the previous release current again."""
        service = self._service(release)
        undone = await files.in_thread(lambda stop: service.take_back(release.release, stop))
        return DeploymentRolledBack(
            environment=release.environment,
            service=release.service,
            undone=undone,
            current=service.current,
        )

    async def verify(self, release: ReleaseRef) -> Verification:
        """Run the smoke check of the current release."""
        service = self._service(release)
        card = service.card(release.release)
        if card is None or service.current != release.release:
            raise NotDeployedError(
                f"release {release.release} of {release.service} is not current in "
                f"{release.environment}: {service.current or 'none'} is"
            )
        begun = time.monotonic()
        finished = await self._checks.run(service.place(card.release), card.smoke_check)
        return Verification(
            environment=release.environment,
            service=release.service,
            release=release.release,
            passed=_went_well(finished),
            check=card.smoke_check or "imports",
            seconds=round(time.monotonic() - begun, 3),
            output=_said(finished),
        )

    def _service(self, of: DeployRequest | ReleaseRef) -> "_Service":
        return _Service(self._folder / of.environment / of.service)


class _Service:
    """The folder of one service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._releases = folder / "releases"
        self._link = folder / "current"

    @property
    def current(self) -> str | None:
        """The current release."""
        try:
            return self._link.readlink().name
        except FileNotFoundError:
            return None

    def card(self, release: str) -> _Card | None:
        """The record of a release; None if there is none."""
        try:
            return _Card.model_validate_json(self._card_file(release).read_bytes())
        except FileNotFoundError:
            return None

    def stage(self, request: DeployRequest, digest: str, stop: Stop) -> _Card:
        """Write the release, and switch to it unless it was found unhealthy."""
        with files.locked(self.folder / "lock", stop):
            card = self.card(request.release)
            if card is not None and card.sha256 not in {digest, _NEVER_MADE}:
                raise ReleaseConflictError(
                    f"a release {request.release} of {request.service} with other files exists: choose another name"
                )
            if card is None:
                self._write(request)
                card = _Card(
                    release=request.release,
                    sha256=digest,
                    smoke_check=request.smoke_check,
                    previous=self.current,
                )
                self._save(card)
                files.point(self._link, f"releases/{request.release}")
            elif card.health is _Health.UNKNOWN and self.current == card.previous:
                files.point(self._link, f"releases/{request.release}")
            elif card.health is _Health.UNWELL:
                self._leave(card)
            return card

    def judge(self, card: _Card, finished: Finished, stop: Stop) -> _Card:
        """Record the result of the check; roll back an unhealthy release."""
        well = _went_well(finished)
        with files.locked(self.folder / "lock", stop):
            judged = card.model_copy(
                update={
                    "health": _Health.WELL if well else _Health.UNWELL,
                    "finding": "" if well else _said(finished),
                }
            )
            known = self.card(card.release)
            if known is not None and known.health is _Health.UNWELL:
                return known  # it was rolled back during the check
            self._save(judged)
            if not well:
                self._leave(judged)
            return judged

    def take_back(self, release: str, stop: Stop) -> bool:
        """Roll a release back; return False if it does not exist or another one is current."""
        with files.locked(self.folder / "lock", stop):
            card = self.card(release) or _Card(
                release=release, sha256=_NEVER_MADE, smoke_check=None
            )
            if card.taken_back is None:
                # Written first: a late attempt must not make it current again.
                card = card.model_copy(
                    update={
                        "health": _Health.UNWELL,
                        "taken_back": self.current == release,
                    }
                )
                self._save(card)
            self._leave(card)
            return bool(card.taken_back)

    def place(self, release: str) -> Path:
        """The folder of a release's files."""
        return self._releases / release

    def _leave(self, card: _Card) -> None:
        """Switch to the last healthy release, if this one is current."""
        if self.current != card.release:
            return
        last = card.previous
        while last is not None and (before := self.card(last)) is not None:
            if before.health is not _Health.UNWELL:
                break
            last = before.previous
        if last is None:
            files.remove(self._link)
        else:
            files.point(self._link, f"releases/{last}")

    def _write(self, request: DeployRequest) -> None:
        beside = self._releases / f".{request.release}.new"
        place = self._releases / request.release
        for leftover in (
            beside,
            place,
        ):  # left by an attempt that was killed before the card was written
            if leftover.exists():
                files.remove(leftover)
        for path, content in request.files.items():
            files.write(beside / _relative(path), content.encode())
        files.move(beside, place)

    def _save(self, card: _Card) -> None:
        files.write(self._card_file(card.release), card.model_dump_json(indent=1).encode())

    def _card_file(self, release: str) -> Path:
        return self.folder / "cards" / f"{release}.json"


def _relative(path: str) -> PurePosixPath:
    parts = PurePosixPath(path).parts
    if not parts or len(parts) > _PATH_PARTS or path.startswith("/") or "\0" in path:
        raise InvalidInputError(f"{path!r} is not a path within a release")
    if any(part in {"..", "."} or part.startswith(".") for part in parts):
        raise InvalidInputError(f"{path!r} leads out of the release, or is hidden")
    return PurePosixPath(*parts)


def _digest(request: DeployRequest) -> str:
    """Return the SHA-256 of a release's files and of the name of its smoke check.

    Raises:
        InvalidInputError: A path is not a path within a release.
    """
    digest = sha256((request.smoke_check or "").encode() + b"\0")
    for path in sorted(request.files):
        content = request.files[path].encode()
        digest.update(f"{_relative(path)}\0{len(content)}\0".encode() + content)
    if request.smoke_check is not None and request.smoke_check not in request.files:
        raise InvalidInputError(
            f"the smoke check {request.smoke_check!r} is not in the release"
        )
    return digest.hexdigest()


def _went_well(finished: Finished) -> bool:
    return finished.code == 0 and not (finished.timed_out or finished.flooded)


def _said(finished: Finished) -> str:
    """Return the end of a check's output, and how it failed, if it did."""
    text = (finished.stdout + finished.stderr).decode(errors="replace").strip()
    if _went_well(finished):
        return text[-_OUTPUT:]
    ended = f"exit code {finished.code}"
    if finished.timed_out:
        ended = "it took too long"
    elif finished.flooded:
        ended = "it printed too much"
    return f"{text[-_OUTPUT:]}\n({ended})".strip()
