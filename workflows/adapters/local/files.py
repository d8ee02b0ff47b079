"""Files that survive a kill at any time, locks that end with their process, and work in threads."""

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
"""Seconds between two attempts to get a lock."""


class Stop(threading.Event):
    """Set when the work in a thread is cancelled."""

    def check(self) -> None:
        """Stop here if the work was cancelled; called where stopping is safe.

        Raises:
            InterruptedError: The work was cancelled.
        """
        if self.is_set():
            raise InterruptedError("the work was cancelled")


async def in_thread(work: Callable[[Stop], Result]) -> Result:
    """Do blocking work in a thread.

    A cancelled call signals the work and waits for its end, so no work continues afterwards.
    """
    stop = Stop()
    doing = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({doing})
        if not doing.cancelled():
            doing.exception()  # retrieved, or asyncio would log it as never retrieved
        raise


@contextmanager
def locked(path: Path, stop: Stop) -> Iterator[None]:
    """Hold an exclusive lock; wait for it without a limit.

    The lock belongs to the open file and ends with the process, even if it is killed.
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
    """Write a file atomically and durably; the caller must hold its lock."""
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
    """Point a symbolic link to a target atomically."""
    beside = link.with_name(f".{link.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(link)
    sync(link.parent)


def remove(path: Path) -> bool:
    """Remove a file, a link, or a folder with its content; return whether it existed."""
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
    """Make changes of a folder's entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
