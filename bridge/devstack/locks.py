"""File locks that belong to an open file, not to a process.

A child that inherits the open file therefore also holds the lock, the lock ends with the last holder, and a process
can test it without taking it (`man 2 fcntl`, "open file description locks").
"""

import fcntl
import os
import struct
from pathlib import Path

# struct flock: type, whence, start, length (0: to the end), pid (the kernel requires 0 here).
_FLOCK = "hhqqi"


def open_lock(path: Path) -> int:
    """Open a lock file, created for the owner only; closing the descriptor releases the lock."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def take(descriptor: int) -> bool:
    """Take the lock; return False if another process holds it."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _request())
    except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES
        return False
    return True


def is_taken(path: Path) -> bool:
    """Return whether the lock is held; False also if the file does not exist."""
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
