"""Isolates the process, starts the program, and waits for it (see the package)."""

import json
import os
import select
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from .kernel import (
    LIBC,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    REFUSED,
    STOPPED,
    call,
    leave,
)
from .landlock import SCOPED, restrict
from .privileges import (
    become_nobody,
    die_first,
    drop_bounding_set,
    drop_capabilities,
    leave_keyrings,
    limit,
)
from .root import build_root
from .seccomp import install
from .watch import INTERVAL, ProcessWatch

_CLONE: Final = {
    "user": 0x10000000,
    "mount": 0x00020000,
    "pid": 0x20000000,
    "network": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
}
_READ_WITHOUT_ROOT: Final = (
    *(f"/etc/{name}" for name in ("ld.so.cache", "ld.so.preload", "localtime", "mime.types")),
    *(f"/etc/{name}" for name in ("passwd", "group", "nsswitch.conf", "os-release")),
    "/dev/urandom",
)
"""Files outside of the given folders that programs without their own root may read."""


@dataclass(frozen=True)
class Orders:
    """The program and its limits; sizes in bytes, times in seconds."""

    command: list[str]
    environment: dict[str, str]
    files: dict[str, str]
    readable: list[str]
    work: str
    namespaces: bool
    parent: int
    memory: int
    cpu: int
    file_size: int
    disk: int
    processes: int
    watch_every: float = INTERVAL
    serves: bool = False
    """Whether it may accept connections on a descriptor that it inherits."""
    probe: bool = False


def main() -> NoReturn:
    """Carry out the orders; never return."""
    _die_with_parent()
    orders = Orders(**json.load(sys.stdin.buffer))
    if os.getppid() != orders.parent:
        leave(REFUSED, "the worker has ended already")
    try:
        held = die_first()
        watch = ProcessWatch(
            memory=orders.memory,
            processes=orders.processes,
            folder="" if orders.namespaces else orders.work,
            disk=orders.disk,
            ignored=1 if orders.namespaces else 0,
        )
        leave_keyrings()
        if orders.namespaces:
            held += _enter_namespaces()
        else:
            # Orphans become children of this process, which kills them; also when the worker
            # has been killed.
            call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            signal.signal(signal.SIGTERM, lambda *_: _end(watch))
            call("prctl", PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    except OSError as error:
        leave(REFUSED, str(error))
    first = os.fork()
    if first == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _die_with_parent()
        if orders.namespaces:
            _be_the_first_process(orders, held)
        _become(orders, held)
    _wait(first, watch, orders.watch_every)


def _be_the_first_process(orders: Orders, held: list[str]) -> NoReturn:
    """Build the root, start the program in it, and wait for it.

    The program is not the first process of its namespace: the kernel does not deliver most
    signals to that one, including those of its own limits.
    """
    try:
        build_root(orders.readable, orders.work, orders.disk)
    except OSError as error:
        leave(REFUSED, str(error))
    program = os.fork()
    if program == 0:
        _become(orders, held)
    _leave_as(program)


def _become(orders: Orders, held: list[str]) -> NoReturn:
    """Drop all privileges, and execute the program."""
    try:
        _write_files(orders)
        os.chdir(orders.work)
        limit(
            memory=orders.memory,
            cpu=orders.cpu,
            file_size=orders.file_size,
            processes=orders.processes,
        )
        if orders.namespaces and "user namespace" not in held:
            drop_bounding_set()
            become_nobody()
            held.append("user without property")
        else:
            drop_capabilities()
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _restrict(orders, held)
        held += ["limits", "watch"]
        if orders.probe:
            sys.stdout.write(json.dumps(held))
            sys.stdout.flush()
            os._exit(0)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.execve(orders.command[0], orders.command, orders.environment)  # noqa: S606
    except (OSError, ValueError) as error:
        leave(REFUSED, f"cannot start {orders.command[0]}: {error}")


def _restrict(orders: Orders, held: list[str]) -> None:
    readable = ["/"] if orders.namespaces else [*orders.readable, *_READ_WITHOUT_ROOT]
    abi = restrict(readable, orders.work)
    if abi:
        held.append(f"landlock {abi}")
    elif os.geteuid() == 0 and not orders.namespaces:
        raise OSError(
            "without namespaces and Landlock the files of root are not protected: run the "
            "worker as an ordinary user"
        )
    # Last: the filter forbids what the lines above need.
    if install(
        own_group=orders.namespaces,
        signals=orders.namespaces or abi >= SCOPED,
        serves=orders.serves,
    ):
        held.append("seccomp")
    elif orders.namespaces:
        raise OSError(f"no seccomp filter is known for {os.uname().machine}")


def _enter_namespaces() -> list[str]:
    wanted = ["mount", "pid", "network", "ipc", "uts"]
    flags = sum(_CLONE[name] for name in wanted)
    held = ["own root", *(f"{name} namespace" for name in wanted)]
    if os.geteuid() == 0:
        if LIBC.unshare(flags) == 0:
            return held
        # Root of a container without the permission: it becomes a user that has it. (The limit
        # on processes would also not apply to root.)
        become_nobody()
        call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)  # or the maps could not be written
    _enter_user_namespace()
    call("unshare", flags)
    return [*held, "user namespace"]


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    call("unshare", _CLONE["user"])
    # The kernel lets a process map its own gid only after setgroups is denied.
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    _die_with_parent()


def _write_files(orders: Orders) -> None:
    for name, text in orders.files.items():
        path = Path(orders.work, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    Path(orders.work, "home").mkdir()
    Path(orders.work, "home").chmod(0o777)


def _die_with_parent() -> None:
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _wait(child: int, watch: ProcessWatch, interval: float) -> NoReturn:
    """Wait for the child, and exit with its code; end all processes if a limit is exceeded."""
    ended = os.pidfd_open(child)
    while not select.select([ended], [], [], interval)[0]:
        reason = watch.exceeded()
        if reason:
            _end_all(watch)
            leave(STOPPED, reason)
        _reap(child)
    status = os.waitpid(child, 0)[1]
    _end_all(watch)
    _exit_with(status)


def _reap(child: int) -> None:
    """Reap orphans that have ended."""
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
        if ended.si_pid == child:
            return
        os.waitpid(ended.si_pid, 0)


def _end_all(watch: ProcessWatch) -> None:
    """Kill all descendants, also those forked during the kill."""
    while True:
        watch.kill()
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _end(watch: ProcessWatch) -> NoReturn:
    _end_all(watch)
    leave(STOPPED, "the worker has ended")


def _leave_as(child: int) -> NoReturn:
    """Wait for a child, reap orphans too, and exit with its code."""
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            leave(REFUSED, "the program was lost")
        if ended == child:
            _exit_with(status)


def _exit_with(status: int) -> NoReturn:
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)
