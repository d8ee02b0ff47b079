"""Files that survive a kill at any moment, locks that do not, and work in threads."""

import asyncio
import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_LOCK_EVERY = 0.02
"""Seconds between two tries to get a lock."""


class Stop(threading.Event):
    """Set when the result of work in a thread is wanted no longer."""

    def check(self) -> None:
        """Leave the work here; for places where leaving does no harm.

        Raises:
            InterruptedError: The work is to stop.
        """
        if self.is_set():
            raise InterruptedError("the work was cancelled")


async def in_thread(work: Callable[[Stop], Result]) -> Result:
    """Do blocking work in a thread.

    When the call is cancelled the work is told, and waited for: nothing goes on behind the back
    of whoever cancelled it.
    """
    stop = Stop()
    doing = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({doing})
        if not doing.cancelled():
            doing.exception()  # looked at, so that asyncio does not complain about it
        raise


@contextmanager
def locked(path: Path, stop: Stop) -> Iterator[None]:
    """Hold an exclusive lock, waiting for it as long as it takes.

    The lock is the open file's, and goes when the process does, however it does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while True:
            stop.check()
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            stop.wait(_LOCK_EVERY)
        yield
    finally:
        os.close(descriptor)


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, durably; only for those who hold its lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync(path.parent)


def move(source: Path, target: Path) -> None:
    """Rename a file or folder durably."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    sync(source.parent)
    sync(target.parent)


def point(link: Path, target: str) -> None:
    """Let a symbolic link point to a target, in one step: no moment without it."""
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(link)
    sync(link.parent)


def remove(path: Path) -> bool:
    """Remove a file, a link, or a folder with all that is in it; says whether it was there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        try:
            path.unlink()
        except FileNotFoundError:
            return False
    sync(path.parent)
    return True


def sync(folder: Path) -> None:
    """Make what was done to a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
