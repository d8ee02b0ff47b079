"""The command line as people use it: the real `ntbridge` in a folder, and `ntbridge dev`."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.devstack.addresses import STATE, Addresses, read_stack
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import scrubbed
from tests.support.servers import ROOT

NTBRIDGE = [sys.executable, "-m", "bridge"]

_WITHIN = 120.0


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its output, as NDJSON."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a command gets: nothing that names a server, but what is given here."""
    return {**scrubbed(), "PYTHONPATH": str(ROOT), **(env or {})}


async def ntbridge(
    *arguments: str,
    cwd: Path,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    within: float = _WITHIN,
) -> Done:
    """Run a command to its end, which must come within so many seconds."""
    process = await asyncio.create_subprocess_exec(
        *NTBRIDGE,
        *arguments,
        cwd=cwd,
        env=environment(env),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin), within)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return Done(process.returncode or 0, out.decode(), err.decode())


class Following:
    """A command that runs until Ctrl-C."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def line(self) -> str:
        """The next line of its standard output."""
        assert self._process.stdout is not None
        return (await asyncio.wait_for(self._process.stdout.readline(), _WITHIN)).decode()

    async def row(self) -> dict[str, Any]:
        """The next line, as JSON."""
        row: dict[str, Any] = json.loads(await self.line())
        return row

    async def said(self, text: str) -> str:
        """Wait until it has said this on standard error."""
        assert self._process.stderr is not None
        async with asyncio.timeout(_WITHIN):
            while (
                line := (await self._process.stderr.readline()).decode()
            ) and text not in line:
                pass
        assert text in line, f"it ended without saying {text!r}"
        return line

    async def ended(self) -> Done:
        """Wait until it ends by itself; return how, and the rest of what it wrote."""
        out, err = await asyncio.wait_for(self._process.communicate(), _WITHIN)
        return Done(self._process.returncode or 0, out.decode(), err.decode())

    async def interrupt(self) -> Done:
        """Press Ctrl-C; return how it ended and the rest of what it wrote."""
        self._process.send_signal(signal.SIGINT)
        return await self.ended()


@asynccontextmanager
async def following(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[Following]:
    """Run a command that follows something."""
    process = await asyncio.create_subprocess_exec(
        *NTBRIDGE, *arguments, cwd=cwd, env=environment(env), stdout=PIPE, stderr=PIPE
    )
    try:
        yield Following(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


class Dev(Child):
    """`ntbridge dev` in a folder; ready when others can find it."""

    def __init__(
        self,
        folder: Path,
        *flags: str,
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = NTBRIDGE,
        start_within: float = 90,
    ) -> None:
        self.folder = folder
        super().__init__(
            Command(
                name="ntbridge dev",
                argv=[
                    "/bin/sh",
                    "-c",
                    'cd "$0" && exec "$@"',
                    str(folder),
                    *program,
                    "dev",
                    *flags,
                ],
                env=environment(env),
                log=folder / "dev.log",
                ready=self._found,
                start_within=start_within,
                stop_signal=signal.SIGINT,
                stop_within=60,
            )
        )

    @property
    def addresses(self) -> Addresses:
        """Where its parts are, with their process ids."""
        addresses = read_stack(self.folder / STATE)
        assert addresses is not None
        return addresses

    async def _found(self, _child: Child) -> bool:
        return read_stack(self.folder / STATE) is not None
