"""Locks on files that belong to an open file, not to a process.

So (`man 2 fcntl`, "open file description locks") a child that inherits the open file holds the lock as well, the
lock ends with the last of them, and whether it is taken can be asked without taking it.
"""

import fcntl
import os
import struct
from pathlib import Path

# struct flock: type, whence, start, length (0: to the end), pid (0, as the kernel demands here).
_FLOCK = "hhqqi"


def open_lock(path: Path) -> int:
    """Open (and make, for the owner only) a lock file; closing the descriptor gives the lock back."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def take(descriptor: int) -> bool:
    """Take the lock; False when another holds it."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _request())
    except (BlockingIOError, PermissionError):  # the kernel says EAGAIN or EACCES, as it likes
        return False
    return True


def is_taken(path: Path) -> bool:
    """Whether somebody holds the lock; False also when there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _request())
    finally:
        os.close(descriptor)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def _request() -> bytes:
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
