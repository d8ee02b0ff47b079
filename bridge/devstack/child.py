"""A supervised child process that does not outlive us.

Built on `subprocess` and a pidfd, not on asyncio's subprocesses: those belong to the event loop that started
them, while a test may start a server in one loop and stop it in another.
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

_LONGEST_LOOK = 2.0  # seconds for one look whether it is ready
_POLL = 0.02  # seconds between two looks at something that gives no signal
_LAST_LINES = 15
_LINE_LENGTH = 400  # characters shown of each; a Go server's stack fills a screen in one line
_TAIL_BYTES = 32_768


@dataclass(frozen=True, kw_only=True)
class Command:
    """What a child runs, and how.

    Attributes:
        name: what log lines and errors call it.
        argv: the program, as an absolute path, and its arguments.
        env: its whole environment.
        log: file that its standard output and error are appended to.
        ready: asked again and again until it says True; an `OSError` or a timeout counts as False. None: ready
            when launched.
        start_within: seconds it may take to be ready.
        stop_signal: what `stop` sends.
        stop_within: seconds after which `stop` kills it.
        death_signal: what the kernel sends it when we die. The default leaves no choice: whatever we run is
            made to survive that.
        lock: file that it and all its own children hold a lock on as long as one of them runs, so that a successor
            waits for the last one.
        identity: see `launch`.
        needs: folder that must be writable under that identity.
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
    """A `bridge.lifecycle.services.Service` that is a process. May be started again after `stop` or `kill`.

    Must be started by a thread that lives as long as the process should: the kernel sends the death signal at
    the end of the *thread* that started it.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: subprocess.Popen[bytes] | None = None  # the last one that was asked to end
        self._log_start = 0

    @property
    def name(self) -> str:
        """What log lines and errors call it."""
        return self.command.name

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            StackError: it is not running.
        """
        if self._process is None:
            raise StackError(f"{self.name} is not running.")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended, negative for a signal; None while it runs or before it has been started."""
        return None if self._process is None or self.running else self._process.returncode

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and not _has_ended(self._process)

    async def start(self) -> None:
        """Launch it and return when it is ready.

        Raises:
            StackError: it ended, or was not ready in time; with its last log lines.
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
        """Send the stop signal, wait for the end, kill what does not heed it."""
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
        """SIGKILL it, as a crash would, and return when the process is gone."""
        process = self._process
        if process is None:
            return
        self._asked = process
        _signal(process, signal.SIGKILL)
        await self._ended(process)
        self._process = None

    async def exited(self) -> int:
        """Wait until it has ended by itself; returns its exit code."""
        if self._process is None:
            raise StackError(f"{self.name} is not running.")
        await self._ended(self._process)
        return self._process.wait()

    async def wait(self) -> None:
        """Return after `stop` or `kill`.

        Raises:
            StackError: it ended unasked; with its last log lines.
        """
        process = self._process
        if process is None:
            return
        await self._ended(process)
        if self._asked is not process:
            raise StackError(self._describe(_how_it_ended(process.wait())))

    def output(self) -> str:
        """What it has written to its log since its last start, the last 32 KiB of it."""
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
                # Not in our process group: Ctrl-C in a terminal reaches us alone, and we stop them in order.
                start_new_session=True,
            )

    async def _lock(self) -> int | None:
        """Take the lock, waiting for what a predecessor left behind."""
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
            # Not `wait_for`: that of Python 3.11 forgets that `start_within` is over, if it is in that moment.
            with suppress(OSError, EOFError):  # TimeoutError is an OSError
                async with asyncio.timeout(_LONGEST_LOOK):
                    if await ready(self):
                        return
            await asyncio.sleep(_POLL)

    async def _ended(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the process has ended, see `_has_ended`."""
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
    """Run a command that ends by itself, under the same care, and return what it wrote.

    Raises:
        StackError: it failed, or took longer than `start_within`; with its last log lines.
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
    """Whether the process has ended. If so, what it left in its process group is killed, and it is reaped.

    In this order, for as long as it is not reaped its id is nobody else's. So `Popen.poll`, `send_signal` and
    `kill`, which reap on the way, are not used here.
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
