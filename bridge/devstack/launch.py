"""Runs first in a child process: ties it to its parent, changes its user if needed, executes the program.

Run as a script by a bare interpreter (standard library only, about 20 ms)::

    python -I -S launch.py PARENT_PID DEATH_SIGNAL IDENTITY NEEDS -- PROGRAM ARGUMENT...

`DEATH_SIGNAL` is the signal that the kernel sends the program when its parent dies for any reason. A change of
credentials clears this request, so it is made last; a changed parent id shows that the parent died before.

`IDENTITY` is for Postgres, which refuses to run as root:

* `same`: the current user.
* `namespace`: a user namespace in which our uid has the name `nobody`. Outside of it nothing changes: files keep
  their owner, and folders that only root may enter are accessible. Needs a kernel that allows user namespaces.
* `nobody`: the user nobody, with the one capability to enter root's folders. For containers that forbid user
  namespaces. The caller must make nobody the owner of the data folder.

`NEEDS` is a folder that must be writable under the new identity, or empty. On failure the exit code is 126 and
standard error has one line with the reason.
"""

import ctypes
import os
import sys
from pathlib import Path
from typing import Final, NoReturn

NOBODY: Final = 65534

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_KEEPCAPS: Final = 8
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CLONE_NEWUSER: Final = 0x10000000
_CAP_DAC_OVERRIDE: Final = 1
_CAPABILITY_VERSION_3: Final = 0x20080522


def enter_namespace() -> None:
    """Enter a new user namespace that maps nobody to the current uid and gid."""
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUSER)
    # The kernel lets a process map its own gid only after setgroups is denied.
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {gid} 1", encoding="ascii")


def become_nobody() -> None:
    """Become the user nobody; keep only the capability to read and enter others' folders."""
    _call("prctl", _PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    bit = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable
    _call("capset", header, sets)
    _call("prctl", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def die_with(parent: int, signal_number: int) -> None:
    """Request a signal at the parent's death; fail if the parent is already dead."""
    _call("prctl", _PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        _refuse("the parent has already ended")


def main(arguments: list[str]) -> NoReturn:
    """Run the program as described above; never return."""
    parent, signal_number, identity, needs, _dashes, *program = arguments
    try:
        if identity == "namespace":
            enter_namespace()
        elif identity == "nobody":
            become_nobody()
        if needs and not os.access(needs, os.W_OK | os.X_OK, effective_ids=True):
            _refuse(f"{needs} is not writable as {identity}")
        die_with(int(parent), int(signal_number))
        os.execv(program[0], program)  # noqa: S606 - becoming the program is the purpose
    except OSError as error:
        _refuse(f"cannot run {program[0]} as {identity}: {error}")


def _call(function: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"launch: {message}\n")
    sys.stderr.flush()
    os._exit(126)


if __name__ == "__main__":
    main(sys.argv[1:])
