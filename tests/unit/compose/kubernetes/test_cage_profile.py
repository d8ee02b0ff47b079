"""The seccomp profile of the workers that run generated code: the cage works under it, little else is added."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubernetes import seccomp
from tests.support.kubernetes.manifests import FOLDER, ROOT

PROFILE = FOLDER / "components" / "cage-profile" / "cage.json"

CAGE = """
import asyncio, sys
from workflows.adapters.containment import Containment
async def main():
    caged = await Containment().run([sys.executable, "-c", "print('from the cage')"], files={})
    print(", ".join(caged.held))
    print(caged.finished.stdout.decode())
asyncio.run(main())
"""

FORBIDDEN = {
    *(
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "keyctl",
        "add_key",
        "request_key",
    ),
    *(
        "init_module",
        "finit_module",
        "delete_module",
        "kexec_load",
        "kexec_file_load",
        "reboot",
    ),
    *("setns", "open_by_handle_at", "ptrace", "process_vm_readv", "process_vm_writev"),
    *("swapon", "swapoff", "settimeofday", "clock_settime", "sethostname", "syslog", "acct"),
    *("open_tree", "move_mount", "fsopen", "fsmount", "chroot"),
}
CAGE_NEEDS = {"unshare", "clone", "mount", "mount_setattr", "umount2", "pivot_root", "seccomp"}


def allowed() -> set[str]:
    read = json.loads(PROFILE.read_text(encoding="utf-8"))
    assert read["defaultAction"] == "SCMP_ACT_ERRNO"
    return {
        name
        for rule in read["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
        for name in rule["names"]
    }


def test_what_a_container_must_not_do_stays_forbidden() -> None:
    assert FORBIDDEN.isdisjoint(allowed())
    assert allowed() >= CAGE_NEEDS


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The cage, in a folder that the image's user can read; the checkout may be in the home of root."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        for part in (
            "__init__.py",
            "errors.py",
            "adapters/__init__.py",
            "adapters/processes.py",
        ):
            (folder / "workflows" / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "workflows" / part, folder / "workflows" / part)
        containment = "workflows/adapters/containment"
        shutil.copytree(ROOT / containment, folder / containment)
        shutil.copy(PROFILE, folder)
        shutil.copy(seccomp.__file__, folder)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True, timeout=10)
        yield folder


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program under the profile, by the system's interpreter, which any user can read."""
    try:
        seccomp.load_library()
    except OSError as error:
        pytest.skip(f"libseccomp is not installed: {error}")
    python = shutil.which("python3", path="/usr/bin")
    if python is None or not _is_new_enough(python):
        pytest.skip("the system has no Python 3.11 in /usr/bin")
    return subprocess.run(
        [python, "seccomp.py", PROFILE.name, python, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def _is_new_enough(python: str) -> bool:
    asked = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(asked, check=False, timeout=30).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(
    Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0",
    reason="this machine allows no user namespaces",
)
def test_the_cage_works_under_it(folder: Path) -> None:
    done = run(folder, CAGE)
    assert done.returncode == 0, done.stderr
    held, said = done.stdout.splitlines()[:2]
    assert said == "from the cage"
    # All that the mode `required` promises; a namespace of the user gives no capability outside.
    for expected in (
        "own root",
        "pid namespace",
        "network namespace",
        "user namespace",
        "seccomp",
    ):
        assert expected in held


@pytest.mark.slow
@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
        "os.chroot('/tmp')",
        "check(libc.syscall(BPF, 0, 0, 0))",
        "check(libc.syscall(KEYCTL, 0, 0, 0))",
        "check(libc.ptrace(0, 0, 0, 0))",
    ],
)
def test_a_program_under_it_is_refused(folder: Path, attempt: str) -> None:
    program = f"""
import ctypes, os, socket
BPF, KEYCTL = (321, 250) if os.uname().machine == "x86_64" else (280, 219)
libc = ctypes.CDLL(None, use_errno=True)
def check(code):
    if code < 0 and ctypes.get_errno() == 1:
        raise PermissionError
try:
    {attempt}
except PermissionError:
    print("refused")
"""
    done = run(folder, program)
    assert done.stdout == "refused\n", (done.stdout, done.stderr)
