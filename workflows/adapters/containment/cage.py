"""The cage: shuts itself in, and becomes a program that nobody trusts.

Run as a script by a bare interpreter (standard library only, nothing of ours imported)::

    python -I -S cage.py < orders.json

The orders (``Orders``) name the program, its files, what it may read and its limits. What holds
the program then, the strongest first:

* **A root of its own**, on a file system in memory: the folders it may read, read-only, ``/cage``
  of a limited size, and nothing else. Sockets in the host's folders are out of its sight.
* **Namespaces** for processes (when the first one ends, the kernel kills all that it left
  behind), for the network (not even a loopback), for IPC and for the host's name. Root makes
  them as root and then becomes a user that owns nothing; everybody else needs a kernel that
  allows user namespaces.
* **Landlock**, where the kernel has it: no writing outside ``/cage``, no TCP, no signals out.
* **Limits** on address space, CPU time, file sizes, open files and processes. The kernel's
  out-of-memory killer is told to begin here.

With ``namespaces`` false the first two are left out, for machines that forbid them; then ``work``
is a folder of the host's.

Exit codes: the program's own; 128 + n when signal n ended it; 125 when the cage could not be
made, with the reason on standard error. (A program may leave with 125, and fails its own run.)
"""

import ctypes
import json
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

REFUSED: Final = 125

_CLONE: Final = {
    "user": 0x10000000,
    "mount": 0x00020000,
    "pid": 0x20000000,
    "network": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
}
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MS_NOSUID, _MS_NODEV = 2, 4
_MNT_DETACH: Final = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY: Final = 1 | 2 | 4  # MOUNT_ATTR_RDONLY, _NOSUID, _NODEV
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR: Final = 442  # this and Landlock's three have one number on every architecture
_LANDLOCK: Final = (444, 445, 446)
_UIDS: Final = (61184, 65519)
"""Where systemd takes the users from that own nothing."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Orders:
    """What the cage is to hold; sizes in bytes, times in seconds."""

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
    probe: bool = False


def main() -> NoReturn:
    """Do what the orders say; never returns."""
    _die_with_parent()
    orders = Orders(**json.load(sys.stdin.buffer))
    if os.getppid() != orders.parent:
        _refuse("the worker is gone already")
    try:
        held = _die_first()
        held += _enter_namespaces() if orders.namespaces else []
    except OSError as error:
        _refuse(str(error))
    if not orders.namespaces:
        _become(orders, held)
    first = os.fork()
    if first == 0:
        _be_the_first_process(orders, held)
    _leave_as(first)


def _be_the_first_process(orders: Orders, held: list[str]) -> NoReturn:
    """Build the root, start the program in it, and wait for it.

    The program is not itself the first process of its namespace: the kernel spares that one
    most signals, those of its own limits among them.
    """
    _die_with_parent()
    try:
        _build_root(orders)
    except OSError as error:
        _refuse(str(error))
    program = os.fork()
    if program == 0:
        _become(orders, held)
    _leave_as(program)


def _become(orders: Orders, held: list[str]) -> NoReturn:
    """Give up every power that is left, and become the program."""
    try:
        _write_files(orders)
        os.chdir(orders.work)
        _limit(orders)
        if orders.namespaces:
            _give_up_powers(held)
        _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        abi = _restrict_files(orders)
        held += [f"landlock {abi}"] if abi else []
        held.append("limits")
        if orders.probe:
            sys.stdout.write(json.dumps(held))
            sys.stdout.flush()
            os._exit(0)
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.execve(orders.command[0], orders.command, orders.environment)  # noqa: S606
    except (OSError, ValueError) as error:
        _refuse(f"cannot start {orders.command[0]}: {error}")


def _enter_namespaces() -> list[str]:
    wanted = ["mount", "pid", "network", "ipc", "uts"]
    flags = sum(_CLONE[name] for name in wanted)
    held = ["own root", *(f"{name} namespace" for name in wanted)]
    if os.geteuid() == 0:
        if _LIBC.unshare(flags) == 0:
            return held
        # Root of a container, without the right to: it becomes somebody who may. (As root it
        # would also be spared the limit on processes.)
        _become_nobody()
        _call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)  # or the maps could not be written
    _enter_user_namespace()
    _call("unshare", flags)
    return [*held, "user namespace"]


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _CLONE["user"])
    # The kernel lets a process map its own gid only after it has given up setgroups.
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    _die_with_parent()


def _build_root(orders: Orders) -> None:
    root = _place_for_root(orders.readable)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", _MS_NOSUID, "size=1m,mode=0755")
    for folder in orders.readable:
        if Path(folder).is_symlink():
            Path(root + folder).symlink_to(Path(folder).readlink())
        elif Path(folder).is_dir():
            Path(root + folder).mkdir(parents=True, exist_ok=True)
            _bind(folder, root + folder)
    Path(root, "dev").mkdir()
    for name in ("null", "zero", "random", "urandom"):
        Path(root, "dev", name).touch()
        _mount(f"/dev/{name}", f"{root}/dev/{name}", None, _MS_BIND)
    work = root + orders.work
    Path(work).mkdir()
    size = f"size={orders.disk},nr_inodes=10000,mode=0777"
    _mount("tmpfs", work, "tmpfs", _MS_NOSUID | _MS_NODEV, size)
    if not Path(root, "tmp").exists():  # as it does where something readable lies in it
        Path(root, "tmp").symlink_to(orders.work)
    _make_read_only(root)
    os.chdir(root)
    machine = os.uname().machine
    if machine not in _PIVOT_ROOT:
        raise OSError(f"no way known to change the root on {machine}")
    # Onto itself: the old root comes to lie on the new one, and is taken off.
    _call("syscall", _PIVOT_ROOT[machine], b".", b".")
    _call("umount2", b".", _MNT_DETACH)
    os.chdir("/")


def _place_for_root(readable: list[str]) -> str:
    for place in ("/mnt", "/media", "/srv", "/opt", "/tmp"):  # noqa: S108 - covered, not written
        if Path(place).is_dir() and not any(f"{f}/".startswith(f"{place}/") for f in readable):
            return place
    raise OSError("no folder is free to build a root upon")


def _bind(source: str, target: str) -> None:
    _mount(source, target, None, _MS_BIND | _MS_REC)
    _make_read_only(target, _AT_RECURSIVE)


def _make_read_only(target: str, flags: int = 0) -> None:
    attributes = (ctypes.c_uint64 * 4)(_READ_ONLY if flags else 1, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    at = ctypes.c_int(_AT_FDCWD)
    _call(
        "syscall", _MOUNT_SETATTR, at, target.encode(), flags, attributes, ctypes.c_size_t(size)
    )


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    encoded = [part.encode() if part else None for part in (source, target, kind, options)]
    _call("mount", *encoded[:3], ctypes.c_ulong(flags), encoded[3])


def _write_files(orders: Orders) -> None:
    for name, text in orders.files.items():
        path = Path(orders.work, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
    Path(orders.work, "home").mkdir()
    Path(orders.work, "home").chmod(0o777)


def _give_up_powers(held: list[str]) -> None:
    for capability in range(64):
        # Those of the bounding set would come back to root when it becomes the program.
        if _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    if "user namespace" not in held:
        _become_nobody()
        held.append("user without property")
        return
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def _become_nobody() -> None:
    """Become a user that owns nothing, another one each time, so that limits count by cage."""
    lowest, highest = _UIDS
    nobody = lowest + int.from_bytes(os.urandom(4)) % (highest - lowest)
    os.setgroups([])
    os.setresgid(nobody, nobody, nobody)
    os.setresuid(nobody, nobody, nobody)


def _limit(orders: Orders) -> None:
    limits = {
        resource.RLIMIT_AS: orders.memory,
        resource.RLIMIT_CPU: orders.cpu,
        resource.RLIMIT_FSIZE: orders.file_size,
        resource.RLIMIT_NPROC: orders.processes,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for limit, most in limits.items():
        _, hard = resource.getrlimit(limit)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (value, value))


def _restrict_files(orders: Orders) -> int:
    """Let Landlock allow what is needed and nothing else; return its version, 0 if none."""
    create, add, restrict = _LANDLOCK
    abi = int(_LIBC.syscall(create, None, ctypes.c_size_t(0), 1))
    if abi <= 0:
        return 0
    writing = 0b1_1111_1111_0010 | (1 << 13 if abi >= 2 else 0) | (1 << 14 if abi >= 3 else 0)  # noqa: PLR2004
    reading = 0b1101  # execute, read a file, read a folder
    network = 0b11 if abi >= 4 else 0  # noqa: PLR2004 - bind and connect over TCP
    scope = 0b11 if abi >= 6 else 0  # noqa: PLR2004 - abstract sockets, signals
    fields = [writing | reading, network, scope][: 1 + (abi >= 4) + (abi >= 6)]  # noqa: PLR2004
    attributes = (ctypes.c_uint64 * len(fields))(*fields)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    rules = _call("syscall", create, attributes, size, 0)
    readable = ["/"] if orders.namespaces else [*orders.readable, "/etc", "/dev/urandom"]
    allowed = dict.fromkeys(readable, reading)
    allowed[orders.work] = writing | reading
    allowed["/dev/null"] = 0b0110 | (writing & 1 << 14)  # read, write, truncate
    for path, rights in allowed.items():
        if not Path(path).exists():
            continue
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not Path(path).is_dir():
            rights &= 0b0111 | (writing & 1 << 14)  # noqa: PLW2901 - files have fewer rights
        rule = rights.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder)
        _call("syscall", add, rules, 1, rule, 0)
        os.close(place)
    _call("syscall", restrict, rules, 0)
    os.close(rules)
    return abi


def _die_first() -> list[str]:
    """Tell the kernel to kill these processes first when memory runs out, if it can be told."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        return []
    return ["first to go when memory runs out"]


def _die_with_parent() -> None:
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _leave_as(child: int) -> NoReturn:
    """Wait for a child, and for orphans on the way; leave with its exit code."""
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            _refuse("the program was lost")
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _call(function: str, *arguments: Any) -> int:
    result = int(getattr(_LIBC, function)(*arguments))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
    return result


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"cage: {message}\n")
    sys.stderr.flush()
    os._exit(REFUSED)


if __name__ == "__main__":
    main()
