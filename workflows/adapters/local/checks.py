"""Runs a release's smoke check: the file it names, or an import of each of its modules."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from workflows.adapters.containment import Containment
from workflows.adapters.processes import Finished, watch_tool

_BEGIN = """
import os, sys
release, folder, *rest = sys.argv[1:]
os.chdir(folder)
sys.path.insert(0, release)
"""
_RUN = """
import runpy
runpy.run_path(os.path.join(release, *rest), run_name="__main__")
"""
_IMPORT = """
import importlib
for name in rest:
    importlib.import_module(name)
    print("imported", name)
"""
_LIMITS = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
resource.setrlimit(resource.RLIMIT_FSIZE, ({file}, {file}))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
"""
_MB = 2**20
_MAX_OUTPUT = 4 * _MB


class Checks(Protocol):
    """Runs smoke checks."""

    async def run(self, release: Path, smoke_check: str | None) -> Finished:
        """Run a release's check and return its result; do not change the release.

        Raises:
            UncontainedError: Containment is required and impossible here.
        """


class ContainedChecks:
    """``Checks`` for untrusted code: in a cage without a network.

    Args:
        containment: Creates the cages.
    """

    def __init__(self, containment: Containment) -> None:
        self._containment = containment

    async def run(self, release: Path, smoke_check: str | None) -> Finished:
        """Run the check on a copy of the release, in a cage."""
        program, arguments = _program(release, smoke_check)
        command = [*_python(program), "{work}", "{work}/home", *arguments]
        return (await self._containment.run(command, files=_contents(release))).finished


class PlainChecks:
    """``Checks`` for your own services, which may use the network like the worker.

    Args:
        seconds: Limit of the duration and of the processor time of a check.
        memory_mb: Limit of its memory.
    """

    def __init__(self, *, seconds: int = 60, memory_mb: int = 1024) -> None:
        self._seconds = seconds
        self._limits = _LIMITS.format(seconds=seconds, memory=memory_mb * _MB, file=64 * _MB)

    async def run(self, release: Path, smoke_check: str | None) -> Finished:
        """Run the check in its own process, in a temporary folder."""
        program, arguments = _program(release, smoke_check, limits=self._limits)
        with TemporaryDirectory(prefix="smoke-check-") as folder:
            return await watch_tool(
                [*_python(program), str(release), folder, *arguments],
                stdin=b"",
                seconds=self._seconds,
                most_output=_MAX_OUTPUT,
            )


def _program(
    release: Path, smoke_check: str | None, *, limits: str = ""
) -> tuple[str, list[str]]:
    """Return the program of a check, and its arguments after the two folders."""
    if smoke_check is None:
        modules = sorted(path.stem for path in release.glob("*.py"))
        return _BEGIN + limits + _IMPORT, modules
    return _BEGIN + limits + _RUN, [smoke_check]


def _contents(release: Path) -> dict[str, str]:
    return {
        path.relative_to(release).as_posix(): path.read_text()
        for path in sorted(release.rglob("*"))
        if path.is_file()
    }


def _python(program: str) -> list[str]:
    # -I: the worker's environment has no effect; -B: no bytecode is written into the release.
    return [sys.executable, "-I", "-B", "-c", program]
