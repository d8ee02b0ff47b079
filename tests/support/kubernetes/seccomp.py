"""Applies a seccomp profile of a container runtime to a process, by libseccomp, as the runtime does.

As a program: ``seccomp.py PROFILE COMMAND...`` runs a command under a profile, as the image's user.
"""

import ctypes
import json
import os
import sys
from pathlib import Path

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_COMPARISONS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
}
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 38, 24
_CAPABILITIES, _USER = 64, 10001
_UNKNOWN = -1


class _Argument(ctypes.Structure):
    _fields_ = (
        ("index", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


def load_library() -> ctypes.CDLL:
    """Load libseccomp.

    Raises:
        OSError: It is not installed.
    """
    loaded = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    loaded.seccomp_init.restype = ctypes.c_void_p
    loaded.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.POINTER(_Argument),
    ]
    loaded.seccomp_load.argtypes = [ctypes.c_void_p]
    return loaded


def apply(profile: Path) -> None:
    """Apply a profile to this process, for good."""
    read = json.loads(profile.read_text(encoding="utf-8"))
    seccomp = load_library()
    context = seccomp.seccomp_init(ctypes.c_uint32(_action(read, "default")))
    for rule in read["syscalls"]:
        arguments = [
            _Argument(each["index"], _COMPARISONS[each["op"]], each["value"], 0)
            for each in rule.get("args", [])
        ]
        array = (_Argument * len(arguments))(*arguments)
        for name in rule["names"]:
            number = seccomp.seccomp_syscall_resolve_name(name.encode())
            if number == _UNKNOWN:
                continue  # newer than the library, or not of this architecture
            failed = seccomp.seccomp_rule_add_array(
                context, _action(rule), number, len(arguments), array
            )
            if failed:
                raise OSError(-failed, f"{name}: {os.strerror(-failed)}")
    if failed := seccomp.seccomp_load(context):
        raise OSError(-failed, os.strerror(-failed))


def _action(rule: dict[str, object], prefix: str = "") -> int:
    key = f"{prefix}Action" if prefix else "action"
    if rule[key] == "SCMP_ACT_ALLOW":
        return _ALLOW
    assert rule[key] == "SCMP_ACT_ERRNO"
    number = rule.get(f"{prefix}ErrnoRet" if prefix else "errnoRet", 1)
    assert isinstance(number, int)
    return _ERRNO | number


def _become_a_containers_user() -> None:
    """Become the image's user: without capabilities, and no way to get one."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        for capability in range(_CAPABILITIES):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.setgroups([])
        os.setresgid(_USER, _USER, _USER)
        os.setresuid(_USER, _USER, _USER)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


if __name__ == "__main__":
    _become_a_containers_user()
    apply(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
