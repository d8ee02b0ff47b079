"""Running a tool: input on stdin, a time limit, and nothing left behind."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from workflows.errors import ToolMissingError, ToolTimedOutError

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR")


@dataclass(frozen=True)
class Finished:
    """How a tool ended; a negative code is the signal that ended it."""

    code: int
    stdout: bytes
    stderr: bytes


async def run_tool(command: Sequence[str], *, stdin: bytes, seconds: float) -> Finished:
    """Run a program to its end, without a shell, in ``/``, in a scrubbed environment.

    The program gets a process group of its own, which is killed as a whole when the time is up
    or the call is cancelled.

    Raises:
        ToolMissingError: When there is no such program.
        ToolTimedOutError: When it took longer than ``seconds``.
    """
    process = await _start(command)
    try:
        async with asyncio.timeout(seconds):
            stdout, stderr = await process.communicate(stdin)
    except TimeoutError as error:
        raise ToolTimedOutError(f"{command[0]} took longer than {seconds:g} s") from error
    finally:
        await _kill(process)
    return Finished(process.returncode or 0, stdout, stderr)


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


async def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill the process's group; only while it runs, for then its number is its own."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
