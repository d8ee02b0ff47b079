"""A supervised child process that does not outlive its parent.

Uses `subprocess` and a pidfd, not asyncio's subprocesses: those belong to the event loop that started them, and a
test may start a server in one loop and stop it in another.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bridge.devstack import launch, locks
from bridge.errors import StackError

Identity = Literal["same", "namespace", "nobody"]

_LONGEST_LOOK = 2.0  # seconds for one readiness probe
_POLL = 0.02  # seconds between two polls
_LAST_LINES = 15
_LINE_LENGTH = (
    400  # characters shown of each line; one line of a Go stack trace can fill a screen
)
_TAIL_BYTES = 32_768


@dataclass(frozen=True, kw_only=True)
class Command:
    """The program that a child runs, and its limits.

    Attributes:
        name: Its name in log lines and errors.
        argv: The program, as an absolute path, and its arguments.
        env: Its whole environment.
        log: The file to which its standard output and error are appended.
        ready: Polled until it returns True; an `OSError` or a timeout counts as False. None: ready
            when launched.
        start_within: Seconds until it must be ready.
        stop_signal: The signal that `stop` sends.
        stop_within: Seconds after which `stop` kills it.
        death_signal: The signal that the kernel sends it when the parent dies. The default, SIGKILL, cannot be
            ignored; all programs that we run survive it without damage.
        lock: A file on which it and all its children hold a lock while one of them runs. A new child waits
            for that lock.
        identity: See `launch`.
        needs: A folder that must be writable under that identity.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    ready: Callable[["Child"], Awaitable[bool]] | None = None
    start_within: float = 30.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 15.0
    death_signal: signal.Signals = signal.SIGKILL
    lock: Path | None = None
    identity: Identity = "same"
    needs: Path | None = None


class Child:
    """A process as a `bridge.lifecycle.services.Service`. Can be started again after `stop` or `kill`.

    The thread that starts it must live as long as the process: the kernel sends the death signal at the end of the
    *thread* that started it.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: subprocess.Popen[bytes] | None = (
            None  # the last process that was asked to end
        )
        self._log_start = 0

    @property
    def name(self) -> str:
        """Its name in log lines and errors."""
        return self.command.name

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            StackError: It is not running.
        """
        if self._process is None:
            raise StackError(f"{self.name} is not running.")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs or before it was started."""
        return None if self._process is None or self.running else self._process.returncode

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and not _has_ended(self._process)

    async def start(self) -> None:
        """Launch it and return when it is ready.

        Raises:
            StackError: It ended, or was not ready in time; with its last log lines.
        """
        if self.running:
            return
        try:
            async with asyncio.timeout(self.command.start_within):
                lock = await self._lock()
                try:
                    await self.prepare()
                    self._launch(lock)
                finally:
                    if lock is not None:
                        os.close(lock)
                await self._until_ready()
        except TimeoutError as error:
            message = self._describe(f"was not ready after {self.command.start_within:g} s")
            await self.kill()
            raise StackError(message) from error
        except BaseException:
            await self.kill()
            raise

    async def prepare(self) -> None:
        """Called by `start`, with the lock held, before the process is launched; for subclasses."""

    async def stop(self) -> None:
        """Send the stop signal and wait; kill the process if it does not end in time."""
        process = self._process
        if process is None:
            return
        self._asked = process
        _signal(process, self.command.stop_signal)
        try:
            async with asyncio.timeout(self.command.stop_within):
                await self._ended(process)
        except TimeoutError:
            pass
        finally:
            await self.kill()

    async def kill(self) -> None:
        """Kill it with SIGKILL, like a crash, and return when the process has ended."""
        process = self._process
        if process is None:
            return
        self._asked = process
        _signal(process, signal.SIGKILL)
        await self._ended(process)
        self._process = None

    async def exited(self) -> int:
        """Wait until it has ended without a signal from us; return its exit code."""
        if self._process is None:
            raise StackError(f"{self.name} is not running.")
        await self._ended(self._process)
        return self._process.wait()

    async def wait(self) -> None:
        """Return after `stop` or `kill`.

        Raises:
            StackError: It ended without being stopped; with its last log lines.
        """
        process = self._process
        if process is None:
            return
        await self._ended(process)
        if self._asked is not process:
            raise StackError(self._describe(_how_it_ended(process.wait())))

    def output(self) -> str:
        """Its log output since its last start, at most the last 32 KiB."""
        try:
            with self.command.log.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_start, end - _TAIL_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return ""

    def _launch(self, lock: int | None) -> None:
        command = self.command
        prefix = [
            sys.executable,
            "-I",
            "-S",
            launch.__file__,
            str(os.getpid()),
            str(int(command.death_signal)),
            command.identity,
            str(command.needs or ""),
            "--",
        ]
        with command.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 - the programs of our own wheels
                [*prefix, *command.argv],
                env=dict(command.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=() if lock is None else (lock,),
                # Not in our process group: Ctrl-C in a terminal then reaches only us, and we stop them in order.
                start_new_session=True,
            )

    async def _lock(self) -> int | None:
        """Take the lock; wait for processes of a predecessor."""
        if self.command.lock is None:
            return None
        descriptor = locks.open_lock(self.command.lock)
        try:
            while not locks.take(descriptor):  # noqa: ASYNC110 - a lock gives no signal
                await asyncio.sleep(_POLL)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    async def _until_ready(self) -> None:
        process, ready = self._process, self.command.ready
        if process is None or ready is None:
            return
        while True:
            if _has_ended(process):
                raise StackError(
                    self._describe(_how_it_ended(process.wait()) + " while starting")
                )
            # Not `wait_for`: in Python 3.11 it can lose the timeout if the probe ends at the same moment.
            with suppress(OSError, EOFError):  # TimeoutError is an OSError
                async with asyncio.timeout(_LONGEST_LOOK):
                    if await ready(self):
                        return
            await asyncio.sleep(_POLL)

    async def _ended(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the process has ended; see `_has_ended`."""
        if _has_ended(process):
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        descriptor = os.pidfd_open(process.pid)
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        _has_ended(process)

    def _describe(self, what: str) -> str:
        lines = self.output().rstrip().splitlines()[-_LAST_LINES:]
        said = "".join(f"\n  {line[:_LINE_LENGTH]}" for line in lines) or "\n  (nothing)"
        return f"{self.name} {what}. Its last log lines, from {self.command.log}:{said}"


async def run_to_end(command: Command) -> str:
    """Run a command until it ends, supervised like other children, and return its output.

    Raises:
        StackError: It failed, or took longer than `start_within`; with its last log lines.
    """
    child = Child(replace(command, ready=None))
    await child.start()
    try:
        async with asyncio.timeout(command.start_within):
            code = await child.exited()
    except TimeoutError as error:
        message = f"did not end within {command.start_within:g} s"
        raise StackError(child._describe(message)) from error  # noqa: SLF001 - same module
    finally:
        output = child.output()
        await child.kill()
    if code != 0:
        raise StackError(child._describe(_how_it_ended(code)))  # noqa: SLF001 - same module
    return output


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether the process has ended; if so, kill the rest of its process group and reap it.

    The order matters: until it is reaped, its id cannot be reused. `Popen.poll`, `send_signal` and `kill` reap too,
    so they are not used here.
    """
    if process.returncode is not None:
        return True
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if not _has_ended(process):
        os.kill(process.pid, number)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by {signal.Signals(-code).name}"
