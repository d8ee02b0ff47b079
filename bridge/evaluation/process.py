"""One child process, seen by the parent: starts it, sends tasks, ends it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Literal

from bridge.errors import BridgeError
from bridge.evaluation.messages import (
    EXIT_MEMORY,
    LENGTH_BYTES,
    MEMORY_BYTES,
    Definition,
    Done,
    Reply,
    Request,
    Task,
    Work,
    answers,
    encode,
    step_seconds,
)

WALL_SECONDS = 60.0
"""Wall-clock limit of one step; a child that exceeds it is killed."""
EndReason = Literal["time", "memory", "no-answer", "died"]
"""Processor time or memory limit exceeded, no answer in `WALL_SECONDS`, or another reason."""
_PROGRAM = "from bridge.evaluation.child import main; main()"
_END_SECONDS = 5.0
_CHUNK_BYTES = 256 * 2**10


class ChildEndedError(BridgeError):
    """The child ended before it answered.

    Attributes:
        reason: Why it ended.
    """

    def __init__(self, message: str, *, reason: EndReason) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def took_too_much(self) -> bool:
        """Whether a step exceeded a limit, so that a retry would fail too."""
        return self.reason != "died"


class ChildProcess:
    """A child process that does one task at a time. Belongs to one event loop."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._definition = b""
        self._limit = 0.0

    @classmethod
    async def start(cls, program: str = _PROGRAM) -> "ChildProcess":
        """Start a child and return when it is ready: its imports take 0.3 to 0.4 s.

        Raises:
            OSError: The operating system cannot start a process.
            ChildEndedError: The child ended before it was ready.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
            cwd="/",
            start_new_session=True,  # Ctrl-C in a terminal is for the parent
            limit=_CHUNK_BYTES,
        )
        child = cls(process)
        try:
            await child._receive()
        except BaseException:
            await child.close()
            raise
        return child

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it is not known to have ended."""
        return self._process.returncode is None

    async def answers(
        self, definition: bytes | None, task: Task | Work
    ) -> AsyncIterator[Reply]:
        """Yield the answers to a task, with the routes of a definition.

        Raises:
            ChildEndedError: The child ended during the task.
        """
        if definition is not None and definition != self._definition:
            await self._send(Definition(definition))
            self._definition = definition
        self._limit = step_seconds(task)
        await self._send(task)
        while not isinstance(answer := await self._receive(), Done):
            yield answer

    async def close(self) -> None:
        """Kill it and wait for its end."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        # Without this the pipe is closed when the transport is collected, with a warning.
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def _send(self, request: Request) -> None:
        body = encode(request)
        pipe = self._process.stdin
        if pipe is None:
            raise ChildEndedError("the child has no pipe", reason="died")
        try:
            pipe.write(len(body).to_bytes(LENGTH_BYTES))
            rest = memoryview(body)
            while rest:
                # In chunks, so that a large event is not copied in one blocking step.
                pipe.write(rest[:_CHUNK_BYTES])
                rest = rest[_CHUNK_BYTES:]
                async with asyncio.timeout(WALL_SECONDS):
                    await pipe.drain()
        except (OSError, TimeoutError):
            raise await self._ended() from None

    async def _receive(self) -> Reply:
        pipe = self._process.stdout
        if pipe is None:
            raise ChildEndedError("the child has no pipe", reason="died")
        try:
            async with asyncio.timeout(WALL_SECONDS):
                length = int.from_bytes(await pipe.readexactly(LENGTH_BYTES))
                answer: Reply = answers.decode(await pipe.readexactly(length))
                return answer
        except TimeoutError:
            await self.close()
            reason = f"no answer within {WALL_SECONDS:g} s"
            raise ChildEndedError(reason, reason="no-answer") from None
        except (asyncio.IncompleteReadError, OSError):
            raise await self._ended() from None

    async def _ended(self) -> ChildEndedError:
        # It is exiting. A kill now could replace its exit code, which tells the reason.
        with suppress(TimeoutError):
            async with asyncio.timeout(_END_SECONDS):
                await self._process.wait()
        await self.close()
        code = self._process.returncode
        if code == -signal.SIGPROF:
            reason = f"it took more than {self._limit:.1f} s of processor time"
            return ChildEndedError(reason, reason="time")
        if code == EXIT_MEMORY:
            reason = f"it took more than {MEMORY_BYTES // 2**20} MiB of memory"
            return ChildEndedError(reason, reason="memory")
        return ChildEndedError(f"the evaluating process ended with code {code}", reason="died")


def _environment() -> dict[str, str]:
    """Return an environment with the module path only: ours may contain passwords."""
    paths = [os.path.realpath(path) for path in sys.path]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}
