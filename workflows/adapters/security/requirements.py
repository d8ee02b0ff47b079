"""The dependencies that files declare. Pure.

==========================================  ===================================================
file                                        what is read
==========================================  ===================================================
``requirements*.txt``, ``constraints*.txt``  requirements, one a line, as pip reads them
``pyproject.toml``                          ``dependencies``, ``optional-dependencies`` and
                                            ``dependency-groups``
``pylock*.toml``, ``uv.lock``,              the locked packages
``poetry.lock``
``*.py``                                    the block ``# /// script`` of inline metadata
==========================================  ===================================================
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from workflows.adapters.security.osv import normalized

_SCRIPT = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
"""The block of inline script metadata; the expression is the specification's."""
_OPTIONS = re.compile(r"\s--?[a-z]")
_EXACT = ("==", "===")


@dataclass(frozen=True)
class Dependency:
    """A package that a file needs. ``version`` is None if the file does not pin it."""

    file: str
    line: int | None
    package: str
    version: str | None
    wanted: str
    """The requirement as text."""


@dataclass(frozen=True)
class Unreadable:
    """A place that declares dependencies and cannot be read."""

    file: str
    line: int | None
    reason: str


Found = Dependency | Unreadable


def dependencies(files: Mapping[str, str]) -> list[Found]:
    """Return the dependencies that files declare, in their order."""
    return [found for file, source in files.items() for found in _of(file, source, files)]


def _of(file: str, source: str, files: Mapping[str, str]) -> Iterable[Found]:
    name = file.rpartition("/")[2]
    if name.endswith(".txt") and name.startswith(("requirements", "constraints")):
        return _of_requirements(file, source, files)
    if name == "pyproject.toml":
        return _of_toml(file, source, source, _of_pyproject)
    if name in {"uv.lock", "poetry.lock"} or (
        name.startswith("pylock") and name.endswith(".toml")
    ):
        return _of_toml(file, source, source, _of_lock)
    if name.endswith(".py") and (script := _SCRIPT.search(source)) is not None:
        lines = script["content"].splitlines()
        text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines)
        return _of_toml(file, source, text, _of_script)
    return ()


def _of_requirements(file: str, source: str, files: Mapping[str, str]) -> Iterator[Found]:
    for number, line in _logical_lines(source):
        if line.startswith("-"):
            if (missing := _missing(file, line, files)) is not None:
                yield Unreadable(
                    file, number, f"it includes {missing}, which is not in the scan"
                )
            continue
        yield _requirement(file, number, _OPTIONS.split(line)[0].strip())


def _logical_lines(source: str) -> Iterator[tuple[int, str]]:
    """Join lines that end with a backslash; drop comments and empty lines."""
    begun, first = "", 1
    for number, line in enumerate(source.splitlines(), 1):
        if not begun:
            first = number
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        text = re.sub(r"(^|\s)#.*", "", begun + line).strip()
        begun = ""
        if text:
            yield first, text
    if begun.strip():
        yield first, begun.strip()


def _missing(file: str, line: str, files: Mapping[str, str]) -> str | None:
    """Return the file that a line includes, if it is not among the files."""
    included = re.match(r"(?:-r|--requirement|-c|--constraint)[ =]?\s*(\S+)", line)
    if included is None:
        return None
    folder = file.rpartition("/")[0]
    path = f"{folder}/{included[1]}" if folder else included[1]
    return None if path in files else included[1]


def _requirement(file: str, line: int | None, text: str) -> Found:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        return Unreadable(file, line, f"{text!r} is not a requirement: {reason}")
    return Dependency(
        file, line, normalized(requirement.name), _pinned(requirement.specifier), text
    )


def _pinned(specifier: SpecifierSet) -> str | None:
    for each in specifier:
        if each.operator in _EXACT and not each.version.endswith(".*"):
            return each.version
    return None


def _of_toml(file: str, source: str, text: str, read: "_Reader") -> Iterator[Found]:
    try:
        for package, version in read(tomllib.loads(text)):
            if version is None:
                yield _requirement(file, _line_of(package, source), package)
            else:
                found = f"{package}=={version}"
                yield Dependency(
                    file, _line_of(f'"{package}"', source), normalized(package), version, found
                )
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        yield Unreadable(file, None, f"its dependencies cannot be read: {error}")


class _Reader(Protocol):
    """A function from a TOML table to (requirement, None) or (package, version)."""

    def __call__(self, table: dict[str, Any]) -> Iterator[tuple[str, str | None]]: ...


def _of_pyproject(table: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    project = table.get("project", {})
    groups = [
        project.get("dependencies", []),
        *project.get("optional-dependencies", {}).values(),
        *table.get("dependency-groups", {}).values(),
    ]
    for group in groups:
        for each in group:
            if not isinstance(each, dict):  # {include-group = …}: read where it is defined
                yield each, None


def _of_script(table: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    for each in table.get("dependencies", []):
        yield each, None


def _of_lock(table: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    for package in table.get("package", table.get("packages", [])):
        if "version" in package:  # a package from a folder need not have one
            yield package["name"], package["version"]


def _line_of(text: str, source: str) -> int | None:
    at = source.find(text)
    return None if at < 0 else source.count("\n", 0, at) + 1
