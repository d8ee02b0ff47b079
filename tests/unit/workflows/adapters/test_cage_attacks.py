"""What a hostile program tries from inside of the cage, with and without namespaces."""

import ctypes
import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.workflows.adapters.attacks import attack
from workflows.adapters.containment import Containment
from workflows.adapters.containment.cage import privileges

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="calls are made by number"),
]

KEY = b"ntbridge-test"
MIB = 2**20


CALLS = """
import ctypes, errno, fcntl, json, os, resource, signal, socket, sys

libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), "")

def address(data):
    buffer = ctypes.create_string_buffer(data, 256)
    KEPT.append(buffer)
    return ctypes.addressof(buffer)

KEPT = []
NAMESPACES = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]
signal.signal(signal.SIGSYS, signal.SIG_DFL)

def clone(flags):
    child = libc.syscall(56, ctypes.c_long(flags | signal.SIGCHLD), 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    if child < 0:
        raise OSError(ctypes.get_errno(), "")

def passed_on():
    a, b = socket.socketpair()
    socket.send_fds(a, [b"x"], [0])

ATTACKS = {
    "add_key": lambda: call(248, address(b"user"), address(b"x"), address(b"y"), 1, -3),
    "request_key": lambda: call(249, address(b"user"), address(WORKER_KEY), 0, 0),
    "keyctl join": lambda: call(250, 1, 0),
    "keyctl search": lambda: call(250, 10, -3, address(b"user"), address(WORKER_KEY), 0),
    "keyctl describe": lambda: call(250, 6, -3, 0, 0),
    "userfaultfd": lambda: call(323, 1),
    **{f"unshare {flag:x}": lambda flag=flag: call(272, flag) for flag in NAMESPACES},
    **{f"clone {flag:x}": lambda flag=flag: clone(flag) for flag in NAMESPACES},
    "clone3": lambda: call(435, address(bytes(88)), 88),
    "setns": lambda: call(308, os.open("/", os.O_RDONLY), 0),
    "chroot": lambda: os.chroot("/"),
    "mount": lambda: call(165, address(b"t"), address(b"/"), address(b"tmpfs"), 0, 0),
    "fsopen": lambda: call(430, address(b"tmpfs"), 0),
    "open_tree": lambda: call(428, -100, address(b"/"), 1),
    "name_to_handle_at": lambda: call(
        303, -100, address(b"/"), address((128).to_bytes(4, "little")), address(b""), 0
    ),
    "bpf": lambda: call(321, 0, address(bytes(128)), 128),
    "perf_event_open": lambda: call(298, address(bytes(128)), 0, -1, -1, 0),
    "io_uring_setup": lambda: call(425, 1, address(bytes(200))),
    "memfd_create": lambda: os.memfd_create("x"),
    "memfd_secret": lambda: call(447, 0),
    "shmget": lambda: call(29, 0, 2**20, 0o1600),
    "semget": lambda: call(64, 0, 1, 0o1600),
    "msgget": lambda: call(68, 0, 0o1600),
    "mq_open": lambda: call(240, address(b"queue"), os.O_CREAT | os.O_RDWR, 0o600, 0),
    "io_setup": lambda: call(206, 1, address(bytes(8))),
    "ptrace": lambda: call(101, 0, 0, 0, 0),
    "process_vm_readv": lambda: call(310, os.getpid(), 0, 0, 0, 0, 0),
    "prlimit of the worker": lambda: call(302, WORKER, 7, 0, address(bytes(16))),
    "priority of the worker": lambda: os.setpriority(os.PRIO_PROCESS, WORKER, 19),
    "affinity of the worker": lambda: os.sched_setaffinity(WORKER, [0]),
    "signal to the worker": lambda: os.kill(WORKER, 0),
    "SIGIO to the worker": lambda: fcntl.fcntl(1, fcntl.F_SETOWN, WORKER),
    "TIOCSTI": lambda: fcntl.ioctl(1, 0x5412, b"x"),
    "dumpable": lambda: call(157, 4, 0, 0, 0, 0),
    "environment of the worker": lambda: open(f"/proc/{WORKER}/environ").read(),
    "configuration": lambda: os.listdir("/etc/ssl"),
    "password hashes": lambda: open("/etc/shadow").read(),
    "init_module": lambda: call(175, address(b""), 0, address(b"")),
    "kexec_load": lambda: call(246, 0, 0, 0, 0),
    "personality": lambda: call(135, 0x0040000),
    "x32": lambda: call(0x40000000 | 39),
    "newer than the list": lambda: call(467, -100, address(b"/"), address(bytes(64)), 64, 0),
    **{f"family {f}": lambda f=f: socket.socket(f, socket.SOCK_DGRAM) for f in (1, 2, 10, 16, 40)},
    "family 17": lambda: socket.socket(17, socket.SOCK_RAW),
    "family 38": lambda: socket.socket(38, socket.SOCK_SEQPACKET),
    "path socket": lambda: socket.socket(socket.AF_UNIX).connect(PATH),
    "abstract socket": lambda: socket.socket(socket.AF_UNIX).connect("\\0" + ABSTRACT),
    "path from a pair": lambda: socket.socketpair(1, socket.SOCK_DGRAM)[0].sendto(b"x", PATH + "d"),
    "connected pair": lambda: socket.socketpair(1, socket.SOCK_DGRAM)[0].connect(PATH + "d"),
    "passed file descriptor": passed_on,
}
def is_open(number):
    try:
        return fcntl.fcntl(number, fcntl.F_GETFD) >= 0
    except OSError:
        return False
done = {"files": [number for number in range(256) if is_open(number)]}
for name, act in ATTACKS.items():
    try:
        act()
        done[name] = "allowed"
    except OSError as error:
        # An invalid argument, or nothing found: the kernel looked at the call.
        looked = error.errno in {errno.EINVAL, errno.EFAULT, errno.ENOKEY, errno.ENOTTY, errno.EBADF}
        done[name] = "reached the kernel" if looked else "denied"
done["core"] = resource.getrlimit(resource.RLIMIT_CORE)
sets = (ctypes.c_uint32 * 6)()
libc.capget((ctypes.c_uint32 * 2)(0x20080522, 0), sets)
done["capabilities"] = sum(sets)
print(json.dumps(done))
"""


async def test_no_call_reaches_outside(cages: Containment, open_folder: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(250, 1, None) > 0  # a session keyring of this test
    assert libc.syscall(248, b"user", KEY, b"secret", 6, -3) > 0
    server = str(open_folder / "s")
    names = {
        "WORKER": os.getpid(),
        "PATH": server,
        "ABSTRACT": open_folder.name,
    }
    with (
        socket.socket(socket.AF_UNIX) as path,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        path.bind(server)
        datagrams.bind(f"{server}d")
        abstract.bind(f"\0{open_folder.name}")
        path.listen()
        abstract.listen()
        for each in open_folder.iterdir():  # noqa: ASYNC240 - takes no time
            each.chmod(0o777)
        given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        caged = await attack(cages, f"WORKER_KEY = {KEY!r}\n{given}{CALLS}")
    assert caged.finished.code == 0, caged
    done = json.loads(caged.finished.stdout)
    assert (done.pop("files"), done.pop("core"), done.pop("capabilities")) == (
        [0, 1, 2],
        [1, 1],
        0,
    )
    assert {name: result for name, result in done.items() if result != "denied"} == {}
    assert "seccomp" in caged.held


async def test_calls_of_another_architecture_kill(cages: Containment) -> None:
    code = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("b814000000cd80c3"))  # getpid by its number on i386
print(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))())
"""
    caged = await attack(cages, code)
    assert (caged.finished.code, caged.finished.stdout) == (128 + 31, b"")


def test_the_session_keyring_is_left_without_the_filter_too() -> None:
    code = f"""
import ctypes, sys
sys.path.insert(0, {str(Path(privileges.__file__).parents[1])!r})
from cage.privileges import leave_keyrings
libc = ctypes.CDLL(None)
assert libc.syscall(250, 1, None) > 0
assert libc.syscall(248, b"user", {KEY!r}, b"secret", 6, -3) > 0
leave_keyrings()
assert libc.syscall(249, b"user", {KEY!r}, None, 0) == -1
"""
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, timeout=30)


def test_without_scopes_a_program_signals_only_itself() -> None:
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(privileges.__file__).parents[1])!r})
from cage.kernel import PR_SET_NO_NEW_PRIVS, call
from cage.seccomp import install
call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
assert install(own_group=False, signals=False)
os.kill(os.getpid(), 0)
for other in (os.getppid(), 0, -1):
    try:
        os.kill(other, 0)
    except PermissionError:
        print("denied")
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], check=True, timeout=30, capture_output=True
    )
    assert done.stdout.split() == [b"denied"] * 3


async def test_ordinary_programs_run(cages: Containment) -> None:
    code = """
import asyncio, concurrent.futures, multiprocessing, subprocess, threading

async def main():
    process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    assert (await process.communicate(b"x"))[0] == b"x"
    return await asyncio.to_thread(lambda: 1)

if __name__ == "__main__":
    asyncio.run(main())
    subprocess.run("true", shell=True, check=True)
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
    process = multiprocessing.get_context("fork").Process(target=print, args=("child",))
    process.start()
    process.join()
    assert process.exitcode == 0
    process = subprocess.Popen(["sleep", "1000"])
    process.terminate()
    assert process.wait() == -15
"""
    caged = await attack(cages, code)
    assert caged.finished.code == 0, caged


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_the_memory_of_a_worker_without_namespaces_is_closed(open_folder: Path) -> None:
    code = f"""
import asyncio, ctypes, os
import concurrent.futures.thread
from pathlib import Path
from workflows.adapters.containment import Containment
from workflows.adapters.processes import Finished
os.setgroups([])
os.setresgid(1000, 1000, 1000)
os.setresuid(1000, 1000, 1000)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
cages = Containment(required=False, folder=Path({str(open_folder)!r}))
async def refused(self, command, files, work, *, probe):
    return Finished(125 if work == "/cage" else 0, b"[]", b"")
Containment._launch = refused
asyncio.run(cages.held())
try:
    open("/proc/self/environ").read()
except PermissionError:
    print("closed")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=60, capture_output=True
    )
    assert done.stdout == b"closed\n"
