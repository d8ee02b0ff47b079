"""Untrusted code runs where it can do no damage."""

import asyncio
import json
import os
import shutil
import socket
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import eventually
from tests.unit.workflows.adapters.suites.builders import IMPORT, LIMITS, forbid_namespaces, run
from workflows.adapters import containment
from workflows.adapters.containment import Containment, Limits
from workflows.adapters.processes import run_tool
from workflows.adapters.suites.pytest_runner import PytestRunner
from workflows.errors import UncontainedError
from workflows.messages.suites import SuiteOutcome, SuiteRun

pytestmark = pytest.mark.slow


def children() -> list[psutil.Process]:
    """All processes below this one, but for the servers and the zombies among them."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE
        and "cage.program" in " ".join(child.cmdline())
    ]


LEFT_BEHIND = f"{10**6 + os.getpid()}.25"
"""Seconds that a process sleeps which hides from its parents: it is known by them."""


def hidden() -> list[psutil.Process]:
    """The processes that sleep for so long, whoever their parent is by now."""
    return [each for each in psutil.process_iter() if LEFT_BEHIND in cmdline(each)]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended
        return []


HOSTILE = {
    "loops": (
        "def act():\n    while True: pass\n",
        SuiteOutcome.TIMED_OUT,
        "the tests did not end within 5 s",
    ),
    "eats memory": (
        "def act():\n    eaten = []\n    while True: eaten.append(bytearray(10**7))\n",
        SuiteOutcome.OUT_OF_MEMORY,
        "memory",
    ),
    "forks": (
        "import os, time\ndef act():\n    while os.fork(): pass\n    time.sleep(1000)\n",
        SuiteOutcome.FAILED,
        "tests failed",
    ),
    "leaves a process behind": (
        f"""
import os
def act():
    ended, ends = os.pipe()  # closed by exec
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            try: os.execlp("sleep", "sleep", "{LEFT_BEHIND}")
            finally: os.write(ends, b"it does not sleep")
        os._exit(0)
    os.close(ends)
    assert os.read(ended, 100) == b""
""",
        SuiteOutcome.PASSED,
        "",
    ),
    "writes too much": (
        "def act():\n    open('big', 'wb').write(bytes(10**8))\n",
        SuiteOutcome.FAILED,
        "tests failed",
    ),
    "prints a gigabyte": (
        "def act():\n    for _ in range(1000): print('x' * 10**6)\n",
        SuiteOutcome.KILLED,
        "the tests printed too much in test_generated.py::test_act",
    ),
    "leaves at once": (
        "import os\ndef act():\n    os._exit(0)\n",
        SuiteOutcome.KILLED,
        "the process ended before its tests (exit code 0)",
    ),
    "dies": (
        "import os\ndef act():\n    os.abort()\n",
        SuiteOutcome.KILLED,
        "killed by signal 6",
    ),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_hostile_code_is_contained_and_reported(what: str) -> None:
    code, outcome, reason = HOSTILE[what]
    limits = Limits(**{**vars(LIMITS), "seconds": 5}) if what == "loops" else LIMITS
    report = await run(code, limits=limits)
    assert (report.outcome, reason in report.reason) == (outcome, True), report
    assert not report.ok or outcome is SuiteOutcome.PASSED
    assert len(report.output) <= 4000
    assert (children(), hidden()) == ([], [])


async def test_nothing_outside_can_be_touched_seen_or_called(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)  # noqa: ASYNC240 - takes no time
    secret = tmp_path / "secret"
    secret.write_text("secret")
    server = socket.create_server(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "socket"))
    local.listen()
    code = f"""
import os, signal, socket, sys, urllib.request
from pathlib import Path

def denied(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    raise AssertionError("allowed")

def write(): Path({str(tmp_path)!r}, "written").write_text("x")
def write_usr(): Path("/usr/written").write_text("x")
def write_prefix(): Path(sys.prefix, "written").write_text("x")
def read(): Path({str(secret)!r}).read_text()
def etc(): Path("/etc/passwd").read_text()
def proc(): Path("/proc/self/environ").read_text()
def tcp(): socket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 2)
def listen(): socket.create_server(("127.0.0.1", 0))
def udp(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 53))
def unix(): socket.socket(socket.AF_UNIX).connect({str(tmp_path / "socket")!r})
def kill(): os.kill({os.getpid()}, signal.SIGKILL)
def mount(): os.chroot("/usr")
ACTS = [write, write_usr, write_prefix, read, etc, proc, tcp, listen, udp, unix, kill, mount]
"""
    tests = """
import pytest

@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_denied(act):
    denied(act)

def test_the_environment_is_scrubbed():
    assert set(os.environ) <= {
        "PATH", "LANG", "LC_CTYPE", "HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE",
        "PYTHONHASHSEED", "PYTEST_VERSION", "PYTEST_CURRENT_TEST", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
    }, os.environ

def test_own_folder():
    Path("mine").write_text("x")
    assert Path("mine").read_text() == "x"
    assert os.getuid() != 0
"""
    with server, local:
        report = await run(code, tests)
    assert report.outcome is SuiteOutcome.PASSED, report
    assert report.passed == 14
    assert not (tmp_path / "written").exists()


async def test_a_cancelled_run_leaves_no_process() -> None:
    running = asyncio.create_task(run("def act():\n    while True: pass\n"))
    await eventually(lambda: children() or None, what="a cage")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert children() == []


async def test_what_it_may_read_may_lie_among_temporary_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        shared = Path(folder, "shared")
        shared.write_text("there")  # noqa: ASYNC240
        shared.parent.chmod(0o755)
        system = (*vars(containment)["_SYSTEM"], folder)
        monkeypatch.setattr("workflows.adapters.containment._SYSTEM", system)
        code = f"""
import tempfile
def act():
    assert open({folder!r} + "/shared").read() == "there"
    tempfile.TemporaryFile().close()
"""
        report = await run(code)
    assert report.ok, report


async def test_a_machine_that_cannot_contain_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_namespaces(monkeypatch)
    with pytest.raises(UncontainedError, match=r"QTEST__CONTAINMENT=best-effort"):
        await run("def act(): pass\n")


async def test_best_effort_still_limits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forbid_namespaces(monkeypatch)
    runner = PytestRunner(Containment(limits=LIMITS, required=False, folder=tmp_path))
    outside = tmp_path / "outside"
    code = f"def act():\n    open({str(outside)!r}, 'w')\n"
    tests = IMPORT + "def test_act():\n    act()\n"
    report = await runner.run(SuiteRun(key="k", code=code, tests=tests))
    assert "own root" not in report.contained
    assert "limits" in report.contained
    if any(held.startswith("landlock") for held in report.contained):
        assert report.outcome is SuiteOutcome.FAILED
        assert not outside.exists()
    left = [path for path in tmp_path.iterdir() if path != outside]  # noqa: ASYNC240
    assert left == []


async def test_leftovers_of_a_killed_worker_are_removed_by_key(tmp_path: Path) -> None:
    cages = Containment(folder=tmp_path)
    other = tmp_path / "ntbridge-cage-other-1"
    async with cages._folder("a/run", ()) as folder:  # noqa: SLF001 - as if killed in it
        mine = Path(folder)
        other.mkdir()
        removed = await PytestRunner(cages).clean_up("a/run")
    assert removed == (str(mine),)
    assert other.exists()
    assert await PytestRunner(cages).clean_up("a/run") == ()


SYSTEM_PYTHON = Path("/usr/bin/python3")
DROP = """
import ctypes, os, sys
if sys.argv.pop(1) == "ordinary":
    os.setgroups([])
    os.setresgid(1000, 1000, 1000)
    os.setresuid(1000, 1000, 1000)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as for one who was never anybody else
else:  # root of a container that may not make namespaces
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(24, 21, 0, 0, 0) == 0
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, sets)
    for place in range(3):
        sets[place] &= ~(1 << 21)
    assert libc.capset(header, sets) == 0
sys.path.insert(0, sys.argv[1])
from cage.program import main
main()
"""
ACT = """
import os
forks = 0
try:
    while True:
        if os.fork() == 0:
            import time
            time.sleep(1000)
        forks += 1
except OSError:
    print(os.getuid(), forks, sorted(os.listdir("/")))
"""


@pytest.mark.skipif(
    os.getuid() != 0 or not SYSTEM_PYTHON.exists(), reason="needs root, to become others"
)
@pytest.mark.parametrize("who", ["ordinary", "weak root"])
async def test_the_cage_holds_whoever_the_worker_is(who: str, tmp_path: Path) -> None:
    cage = tmp_path / "cage"
    shutil.copytree(Path(containment.__file__).with_name("cage"), cage)
    base = next(each for each in tmp_path.parents if each.name.startswith("pytest-of-"))
    above = [each for each in tmp_path.parents if each.is_relative_to(base)]
    for folder in (cage, tmp_path, *above):
        folder.chmod(0o755)
    orders = {
        "command": [str(SYSTEM_PYTHON), "-I", "-c", ACT],
        "environment": {},
        "files": {},
        "readable": ["/usr", "/bin", "/lib", "/lib64"],
        "work": "/cage",
        "namespaces": True,
        "parent": os.getpid(),
        "memory": 2**30,
        "cpu": 10,
        "file_size": 2**20,
        "disk": 2**20,
        "processes": 12,
    }
    finished = await run_tool(
        [str(SYSTEM_PYTHON), "-I", "-c", DROP, who, str(tmp_path)],
        stdin=json.dumps(orders).encode(),
        seconds=20,
    )
    assert finished.code == 0, finished
    uid, forks, *seen = finished.stdout.decode().split(maxsplit=2)
    assert uid == "1000" if who == "ordinary" else 61184 <= int(uid) < 65519
    assert int(forks) < 12, "the limit on processes holds"
    assert seen == ["['bin', 'cage', 'dev', 'lib', 'lib64', 'tmp', 'usr']\n"]
