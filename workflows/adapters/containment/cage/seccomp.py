"""A seccomp filter: which system calls a program may not make.

The filter allows by default. It denies the calls that reach outside of the cage, that take memory
which belongs to no process, or that open parts of the kernel that tests do not need:

* Every socket but an unnamed pair, which ``asyncio`` needs. A pair can be given no address and
  can pass no file descriptors. This holds for path-name UNIX sockets too, which Landlock does
  not restrict. A service may accept connections on a listening socket that it inherits.
* Keyrings, namespaces, mounts, tracing, the memory and file descriptors of other processes.
* memfd, System V and POSIX IPC, AIO: their memory is not in any process's limit.
* bpf, perf, io_uring, userfaultfd, kernel modules, and calls newer than this list.

A call by another architecture's numbers kills the program; x32 numbers do not exist.
"""

import ctypes
import os
import sys
from collections.abc import Iterable
from errno import ENOSYS, EPERM
from typing import Final

from .kernel import PR_SET_DUMPABLE, PR_SET_SECCOMP, call

_ARCHITECTURES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32: Final = 0x40000000
_NEWEST: Final = 462
"""The highest number known here (``mseal``); from 424 on all architectures share them."""

_LOAD, _EQUAL, _GREATER, _GREATER_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_SECCOMP_MODE_FILTER: Final = 2

_CLONE_NEW: Final = 0x7E020000
_AF_UNIX: Final = 1
_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902
_F_SETOWN, _F_SETOWN_EX = 8, 15
_PR_SET_MM: Final = 35

_DENIED: Final = {
    # name: (x86_64, aarch64); None where the architecture has no such call
    # sockets with an address, and messages that can carry file descriptors
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    # keyrings
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # namespaces, mounts and roots
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "statmount": (457, 457), "listmount": (458, 458),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440), "process_mrelease": (448, 448),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "ioprio_set": (251, 30),
    # memory that belongs to no process, and IPC
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "io_setup": (206, 0),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197),
    "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_open": (240, 180), "mq_unlink": (241, 181),
    # parts of the kernel that had many faults
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "fanotify_init": (300, 262), "personality": (135, 92),
    "modify_ldt": (154, None), "uselib": (134, None), "lookup_dcookie": (212, 18),
    # the machine
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "create_module": (174, None), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162),
    "vhangup": (153, 58), "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip

_UNKNOWN: Final = {"clone3": (435, 435)}
"""Answered as by a kernel without the call: the C library then uses ``clone``, whose flags a
filter can read."""

_ACCEPT: Final = ("accept", "accept4", "listen")  # no program in a cage has a socket to bind

_OWN_GROUP: Final = {"setsid": (112, 157), "setpgid": (109, 154)}

_FORBIDDEN_ARGUMENTS: Final = (
    # call, argument, comparison, value: denied when it is true
    ("clone", (56, 220), 0, "any bit", _CLONE_NEW),
    ("socketpair", (53, 199), 0, "not", _AF_UNIX),
    ("sendto", (44, 206), 4, "not null", 0),
    ("ioctl", (16, 29), 1, "is", _TIOCSTI),
    ("ioctl", (16, 29), 1, "is", _TIOCLINUX),
    ("ioctl", (16, 29), 1, "is", _FIOSETOWN),
    ("ioctl", (16, 29), 1, "is", _SIOCSPGRP),
    ("fcntl", (72, 25), 1, "is", _F_SETOWN),
    ("fcntl", (72, 25), 1, "is", _F_SETOWN_EX),
    ("prctl", (157, 167), 0, "is", PR_SET_DUMPABLE),
    ("prctl", (157, 167), 0, "is", _PR_SET_MM),
    # limits and priorities of other processes
    ("prlimit64", (302, 261), 0, "not", 0),
    ("setpriority", (141, 140), 1, "not", 0),
    ("sched_setparam", (142, 118), 0, "not", 0),
    ("sched_setscheduler", (144, 119), 0, "not", 0),
    ("sched_setaffinity", (203, 122), 0, "not", 0),
    ("sched_setattr", (314, 274), 0, "not", 0),
)

_SIGNALS: Final = (
    ("kill", (62, 129)),
    ("tkill", (200, 130)),
    ("tgkill", (234, 131)),
    ("rt_sigqueueinfo", (129, 138)),
    ("rt_tgsigqueueinfo", (297, 240)),
)

_Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand: ``struct sock_filter``."""


def install(*, own_group: bool, signals: bool, serves: bool = False) -> bool:
    """Install the filter in this process, for all programs that it executes.

    Args:
        own_group: Whether the program may create sessions and process groups.
        signals: Whether it may signal processes other than itself.
        serves: Whether it may accept connections.

    Returns:
        False when the filter is not known for this architecture.

    Raises:
        OSError: When the kernel has no seccomp filters.
    """
    machine = os.uname().machine
    if machine not in _ARCHITECTURES or sys.maxsize < 2**32 or sys.byteorder != "little":
        return False
    instructions = _program(machine, own_group=own_group, signals=signals, serves=serves)
    encoded = b"".join(
        code.to_bytes(2, "little") + bytes((yes, no)) + operand.to_bytes(4, "little")
        for code, yes, no, operand in instructions
    )
    buffer = ctypes.create_string_buffer(encoded, len(encoded))

    class Program(ctypes.Structure):
        """``struct sock_fprog``."""

        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    program = Program(len(instructions), ctypes.addressof(buffer))
    call("prctl", PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    return True


def _program(
    machine: str, *, own_group: bool, signals: bool, serves: bool
) -> list[_Instruction]:
    column = list(_ARCHITECTURES).index(machine)
    denied = _DENIED | ({} if own_group else _OWN_GROUP)
    if serves:
        denied = {name: each for name, each in denied.items() if name not in _ACCEPT}
    filters: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_GREATER, 0, 1, _NEWEST),  # x32 numbers are greater too
        (_RETURN, 0, 0, _ERRNO | ENOSYS),
        *_deny((numbers[column] for numbers in denied.values()), EPERM),
        *_deny((numbers[column] for numbers in _UNKNOWN.values()), ENOSYS),
    ]
    for _, numbers, argument, comparison, value in _FORBIDDEN_ARGUMENTS:
        filters += _deny_argument(numbers[column], argument, comparison, value)
    if not signals:
        for _, numbers in _SIGNALS:
            filters += _deny_argument(numbers[column], 0, "not", os.getpid())
    return [*filters, (_RETURN, 0, 0, _ALLOW)]


def _deny(numbers: Iterable[int | None], error: int) -> list[_Instruction]:
    return [
        instruction
        for number in numbers
        if number is not None
        for instruction in ((_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | error))
    ]


def _deny_argument(
    number: int, argument: int, comparison: str, value: int
) -> list[_Instruction]:
    """Deny a call by the lower half of an argument (for ``not null``: by both halves)."""
    lower = _ARGUMENTS + 8 * argument
    test: list[_Instruction] = {
        "is": [(_LOAD, 0, 0, lower), (_EQUAL, 0, 1, value)],
        "not": [(_LOAD, 0, 0, lower), (_EQUAL, 1, 0, value)],
        "any bit": [(_LOAD, 0, 0, lower), (_ANY_BIT, 0, 1, value)],
        "not null": [
            (_LOAD, 0, 0, lower),
            (_EQUAL, 0, 2, 0),
            (_LOAD, 0, 0, lower + 4),
            (_EQUAL, 1, 0, 0),
        ],
    }[comparison]
    block = [*test, (_RETURN, 0, 0, _ERRNO | EPERM), (_LOAD, 0, 0, _NUMBER)]
    return [(_EQUAL, 0, len(block), number), *block]
