"""Runs a tool with input on stdin and limits of time and output; leaves no process."""

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from workflows.errors import ToolFailedError, ToolMissingError, ToolTimedOutError

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR")

MAX_OUTPUT = 64 * 2**20
"""Maximum bytes of a tool's standard output, and of its standard error."""


def passed_on(names: Iterable[str]) -> dict[str, str]:
    """Return the variables of this process's environment with these names."""
    return {name: os.environ[name] for name in names if name in os.environ}


@dataclass(frozen=True)
class Finished:
    """The result of a tool; a negative code is the signal that ended it.

    ``timed_out`` and ``flooded`` mean that it was killed because it took too long or printed too
    much; its output until then is kept.
    """

    code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False
    flooded: bool = False


async def run_tool(
    command: Sequence[str],
    *,
    stdin: bytes,
    seconds: float,
    most_output: int = MAX_OUTPUT,
    env: Mapping[str, str] | None = None,
    grace: float = 0,
) -> Finished:
    """Run a program without a shell, in ``/``, with a small environment; wait for its end.

    ``env`` has variables for it besides those few that every tool gets. With ``grace``, it gets
    SIGINT first and so many seconds to end by itself.

    The program gets its own process group, which is killed as a whole on timeout or cancellation.

    Raises:
        ToolMissingError: The program does not exist.
        ToolTimedOutError: It took longer than ``seconds``.
        ToolFailedError: It printed more than ``most_output`` bytes.
    """
    finished = await watch_tool(
        command, stdin=stdin, seconds=seconds, most_output=most_output, env=env, grace=grace
    )
    if finished.timed_out:
        raise ToolTimedOutError(f"{command[0]} took longer than {seconds:g} s")
    if finished.flooded:
        raise ToolFailedError(f"{command[0]} printed more than {most_output} bytes")
    return finished


async def watch_tool(
    command: Sequence[str],
    *,
    stdin: bytes,
    seconds: float,
    most_output: int = MAX_OUTPUT,
    env: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
    grace: float = 0,
) -> Finished:
    """Run a program like ``run_tool``, and return its result in every case.

    The program inherits the descriptors, under the same numbers.

    Raises:
        ToolMissingError: The program does not exist.
    """
    process = await start_tool(command, env=env, descriptors=descriptors)
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
        await _end(process, grace)
    return Finished(
        process.returncode or 0,
        bytes(stdout.kept),
        bytes(stderr.kept),
        timed_out=timed_out,
        flooded=stdout.flooded or stderr.flooded,
    )


class _Printed:
    """The output of a program on one stream."""

    def __init__(self, stream: asyncio.StreamReader | None, most: int) -> None:
        self._stream = stream
        self._most = most
        self.kept = bytearray()
        self.flooded = False

    async def read(self, process: asyncio.subprocess.Process) -> None:
        """Read to the end; kill the program if it prints too much."""
        while self._stream is not None and (chunk := await self._stream.read(2**16)):
            self.kept += chunk[: self._most - len(self.kept)]
            if len(self.kept) == self._most and not self.flooded:
                self.flooded = True
                _kill_group(process)


async def _feed(process: asyncio.subprocess.Process, stdin: bytes) -> None:
    if process.stdin is None:
        return
    # A program need not read its input.
    with suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(stdin)
        await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()


async def start_tool(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    descriptors: Sequence[int] = (),
) -> asyncio.subprocess.Process:
    """Start a program with a small environment, in its own process group.

    Raises:
        ToolMissingError: The program does not exist.
    """
    start = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
            env={**passed_on(_PASSED_ON), **(env or {})},
            start_new_session=True,
            pass_fds=descriptors,
        )
    )
    try:
        return await asyncio.shield(start)
    except FileNotFoundError as error:
        raise ToolMissingError(f"{command[0]} is not installed") from error
    except asyncio.CancelledError:
        # On cancellation asyncio would kill the starting program, but not its group.
        await kill_tool(await start)
        raise


def _kill_group(process: asyncio.subprocess.Process) -> None:
    """Kill the process's group, only while it runs: later its id may belong to another."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


async def _end(process: asyncio.subprocess.Process, grace: float) -> None:
    """Interrupt a process, wait for its end, then kill its group."""
    if grace and process.returncode is None:
        with suppress(ProcessLookupError, TimeoutError):
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(grace):
                await process.wait()
    await kill_tool(process)


async def kill_tool(process: asyncio.subprocess.Process) -> None:
    """Kill a program with its process group, and wait for its end."""
    _kill_group(process)
    await process.wait()
