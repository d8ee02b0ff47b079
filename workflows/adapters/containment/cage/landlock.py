"""Landlock: the kernel's sandbox for what a process does to files, TCP and other processes."""

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

from .kernel import LIBC, call

SCOPED: Final = 6
"""The first version that forbids signals to processes outside."""

_LANDLOCK: Final = (444, 445, 446)  # one number each on every architecture


def restrict(readable: list[str], work: str) -> int:
    """Allow to read some files and to change those below ``work``, and nothing else.

    Returns:
        Landlock's version; 0 where the kernel has none. Scopes (no signals to processes
        outside, no abstract sockets of theirs) need version ``SCOPED``.

    Raises:
        OSError: When the kernel refuses.
    """
    create, add, apply = _LANDLOCK
    abi = int(LIBC.syscall(create, None, ctypes.c_size_t(0), 1))
    if abi <= 0:
        return 0
    writing = 0b1_1111_1111_0010 | (1 << 13 if abi >= 2 else 0) | (1 << 14 if abi >= 3 else 0)  # noqa: PLR2004
    reading = 0b1101  # execute, read a file, read a folder
    network = 0b11 if abi >= 4 else 0  # noqa: PLR2004 - bind and connect over TCP
    scope = 0b11 if abi >= SCOPED else 0  # abstract sockets, signals
    fields = [writing | reading, network, scope][: 1 + (abi >= 4) + (abi >= SCOPED)]  # noqa: PLR2004
    attributes = (ctypes.c_uint64 * len(fields))(*fields)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    rules = call("syscall", create, attributes, size, 0)
    allowed = dict.fromkeys(readable, reading)
    allowed[work] = writing | reading
    allowed["/dev/null"] = 0b0110 | (writing & 1 << 14)  # read, write, truncate
    for path, rights in allowed.items():
        if not Path(path).exists():
            continue
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not Path(path).is_dir():
            rights &= 0b0111 | (writing & 1 << 14)  # noqa: PLW2901 - files have fewer rights
        rule = rights.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder)
        call("syscall", add, rules, 1, rule, 0)
        os.close(place)
    call("syscall", apply, rules, 0)
    os.close(rules)
    return abi
