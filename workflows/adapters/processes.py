"""Running a tool: input on stdin, limits on time and output, and nothing left behind."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from workflows.errors import ToolFailedError, ToolMissingError, ToolTimedOutError

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR")

MAX_OUTPUT = 64 * 2**20
"""Bytes that a tool may print, on standard output and standard error each."""


@dataclass(frozen=True)
class Finished:
    """How a tool ended; a negative code is the signal that ended it.

    ``timed_out`` and ``flooded`` say that it was killed for taking too long or printing too
    much; what it had printed by then is kept.
    """

    code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    flooded: bool = False


async def run_tool(
    command: Sequence[str], *, stdin: bytes, seconds: float, most_output: int = MAX_OUTPUT
) -> Finished:
    """Run a program to its end, without a shell, in ``/``, in a scrubbed environment.

    The program gets a process group of its own, which is killed as a whole when the time is up
    or the call is cancelled.

    Raises:
        ToolMissingError: When there is no such program.
        ToolTimedOutError: When it took longer than ``seconds``.
        ToolFailedError: When it printed more than ``most_output`` bytes.
    """
    finished = await watch_tool(command, stdin=stdin, seconds=seconds, most_output=most_output)
    if finished.timed_out:
        raise ToolTimedOutError(f"{command[0]} took longer than {seconds:g} s")
    if finished.flooded:
        raise ToolFailedError(f"{command[0]} printed more than {most_output} bytes")
    return finished


async def watch_tool(
    command: Sequence[str], *, stdin: bytes, seconds: float, most_output: int = MAX_OUTPUT
) -> Finished:
    """Run a program as ``run_tool`` does, and return however it ended.

    Raises:
        ToolMissingError: When there is no such program.
    """
    process = await _start(command)
    stdout, stderr = (
        _Printed(process.stdout, most_output),
        _Printed(process.stderr, most_output),
    )
    timed_out = False
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            group.create_task(_feed(process, stdin))
            group.create_task(stdout.read(process))
            group.create_task(stderr.read(process))
            group.create_task(process.wait())
    except TimeoutError:
        timed_out = True
    finally:
        await _kill(process)
    return Finished(
        process.returncode or 0,
        bytes(stdout.kept),
        bytes(stderr.kept),
        timed_out=timed_out,
        flooded=stdout.flooded or stderr.flooded,
    )


class _Printed:
    """What a program printed on one of its outputs."""

    def __init__(self, stream: asyncio.StreamReader | None, most: int) -> None:
        self._stream = stream
        self._most = most
        self.kept = bytearray()
        self.flooded = False

    async def read(self, process: asyncio.subprocess.Process) -> None:
        """Read to the end; kill the program when it prints too much."""
        while self._stream is not None and (chunk := await self._stream.read(2**16)):
            self.kept += chunk[: self._most - len(self.kept)]
            if len(self.kept) == self._most and not self.flooded:
                self.flooded = True
                _kill_group(process)


async def _feed(process: asyncio.subprocess.Process, stdin: bytes) -> None:
    if process.stdin is None:
        return
    # A program need not read what it is given.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(stdin)
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def _start(command: Sequence[str]) -> asyncio.subprocess.Process:
    start = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(start)
    except FileNotFoundError as error:
        raise ToolMissingError(f"{command[0]} is not installed") from error
    except asyncio.CancelledError:
        # asyncio would kill the program that is starting, but not its group.
        await _kill(await start)
        raise


def _kill_group(process: asyncio.subprocess.Process) -> None:
    """Kill the process's group; only while it runs, for then its number is its own."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _kill(process: asyncio.subprocess.Process) -> None:
    _kill_group(process)
    await process.wait()
