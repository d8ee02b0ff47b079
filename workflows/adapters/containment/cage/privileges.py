"""Drops privileges before the program starts: keys, users, capabilities, limits."""

import ctypes
import os
import resource
from errno import ENOSYS, EPERM
from pathlib import Path
from typing import Final

from .kernel import LIBC, PR_CAPBSET_DROP, call

_KEYCTL: Final = {"x86_64": 250, "aarch64": 219}
_JOIN_SESSION_KEYRING: Final = 1
_UIDS: Final = (61184, 65519)
"""systemd's range for users that own nothing."""
_CAPABILITIES: Final = 64
_NO_CORE: Final = 1
"""Bytes. The kernel ignores a limit of 0 when a program receives core dumps; 1 stops both."""


def leave_keyrings() -> None:
    """Replace the session keyring, which is inherited from the worker, by a new empty one."""
    number = _KEYCTL.get(os.uname().machine)
    if number is None:
        return
    try:
        call("syscall", number, _JOIN_SESSION_KEYRING, None)
    except OSError as error:
        # The kernel has no keyrings, or a container's filter forbids them to this process and
        # so to the program.
        if error.errno not in {ENOSYS, EPERM}:
            raise


def drop_capabilities() -> None:
    """Drop all capabilities, and those that root would get back when it executes a program."""
    drop_bounding_set()
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    call("capset", header, (ctypes.c_uint32 * 6)())


def drop_bounding_set() -> None:
    """Drop the capabilities that root would get back when it executes a program."""
    for capability in range(_CAPABILITIES):
        if LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break


def become_nobody() -> None:
    """Become a user that owns nothing, a different one each time, so that limits count for each cage."""
    lowest, highest = _UIDS
    nobody = lowest + int.from_bytes(os.urandom(4)) % (highest - lowest)
    os.setgroups([])
    os.setresgid(nobody, nobody, nobody)
    os.setresuid(nobody, nobody, nobody)


def limit(*, memory: int, cpu: int, file_size: int, processes: int) -> None:
    """Set the limits of a process, in bytes and seconds; none is raised."""
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: file_size,
        resource.RLIMIT_NPROC: processes,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: _NO_CORE,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: 256,
    }
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, value))


def die_first() -> list[str]:
    """Make the out-of-memory killer select this process and its children first, if allowed."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        return []
    return ["first to go when memory runs out"]
