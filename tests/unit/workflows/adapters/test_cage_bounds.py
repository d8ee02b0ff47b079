"""What a program in the cage may take, and what is left of it afterwards."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import eventually
from tests.unit.workflows.adapters.attacks import attack
from tests.unit.workflows.adapters.suites.builders import LIMITS
from workflows.adapters.containment import Containment
from workflows.adapters.containment.leftovers import remove_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="calls are made by number"),
]


SEVERAL = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        held = bytearray(150 * 2**20)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(1000)
os.wait()
"""
SHARED = """
import mmap, os, time
for _ in range(4):
    if os.fork() == 0:
        held = mmap.mmap(-1, 150 * 2**20)
        for place in range(0, len(held), 4096): held[place] = 1
        time.sleep(1000)
os.wait()
"""
QUEUED = """
import os, socket, time
for _ in range(16):
    if os.fork() == 0:
        pairs = [socket.socketpair() for _ in range(120)]
        for one in [each for pair in pairs for each in pair]:
            one.setblocking(False)
            try:
                while True: one.send(bytes(4096))
            except BlockingIOError: pass
        time.sleep(1000)
os.wait()
"""
HIDDEN = "import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n" + SEVERAL
TAKERS = {"several": SEVERAL, "shared": SHARED, "queued": QUEUED, "hidden": HIDDEN}


@pytest.mark.parametrize("how", TAKERS)
async def test_memory_of_all_processes_is_bounded(cages: Containment, how: str) -> None:
    caged = await attack(cages, TAKERS[how])
    assert caged.exceeded == (
        f"all its processes together took more than {LIMITS.memory} bytes of memory"
    ), caged
    assert not caged.finished.timed_out


async def test_processes_are_bounded(cages: Containment) -> None:
    code = """
import os, time
while True:
    if os.fork() == 0:
        time.sleep(1000)
"""
    caged = await attack(cages, code)
    assert not caged.finished.timed_out
    assert b"BlockingIOError" in caged.finished.stderr or "processes" in caged.exceeded, caged


async def test_pages_that_forks_share_count_once(cages: Containment) -> None:
    code = """
import os, time
held = bytearray(100 * 2**20)
held[::4096] = b"x" * len(held[::4096])
for _ in range(8):
    if os.fork() == 0:
        time.sleep(0.5)
        os._exit(0)
for _ in range(8): os.wait()
"""
    caged = await attack(cages, code)
    assert (caged.finished.code, caged.exceeded) == (0, ""), caged


FILLERS = {
    "files": "for n in range(40): open(str(n), 'wb').write(bytes(2**20))",
    "deleted files": """
import os
kept = []
for n in range(40):
    kept.append(open("x", "wb", buffering=0))
    kept[-1].write(bytes(2**20))
    os.remove("x")
""",
    "empty files": "for n in range(100000): open(str(n), 'wb').close()",
    "deep folders": """
import os
for n in range(5000):
    os.mkdir("d" * 20)
    os.chdir("d" * 20)
""",
}


@pytest.mark.parametrize("how", FILLERS)
async def test_the_disk_is_not_filled(cages: Containment, open_folder: Path, how: str) -> None:
    if how == "deep folders" and cages.required:
        pytest.skip("the folder is in memory and has a limit of its own")
    caged = await attack(cages, f"{FILLERS[how]}\nimport time\ntime.sleep(1000)\n")
    assert not caged.finished.timed_out
    if cages.required:
        assert b"No space left on device" in caged.finished.stderr
    else:
        assert "files" in caged.exceeded, caged
    assert list(open_folder.iterdir()) == []  # noqa: ASYNC240


async def test_no_process_survives(cages: Containment) -> None:
    seconds = f"{10**6 + os.getpid()}.75"
    code = f"""
import os, signal, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        try: os.setsid()
        except OSError: pass
        if os.fork() == 0:
            os.execlp("sleep", "sleep", "{seconds}")
        os._exit(0)
time.sleep(0.5)
"""
    caged = await attack(cages, code)
    assert caged.finished.code == 0, caged

    assert sleeping(seconds) == []


@pytest.mark.parametrize("held", ["own root", "limits"])
async def test_no_process_survives_a_killed_worker(held: str, open_folder: Path) -> None:
    seconds = f"{10**6 + os.getpid()}.5"
    code = f"""
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        os.execlp("sleep", "sleep", "{seconds}")
    os._exit(0)
time.sleep(1000)
"""
    worker = f"""
import asyncio, sys
from pathlib import Path
from workflows.adapters.containment import Containment
cages = Containment(required=False, folder=Path({str(open_folder)!r}))
cages._held = ({held!r},)
command = [sys.executable, "{{work}}/attack.py"]
asyncio.run(cages.run(command, files={{"attack.py": {code!r}}}))
"""
    with subprocess.Popen([sys.executable, "-c", worker]) as process:  # noqa: ASYNC220
        await eventually(lambda: sleeping(seconds) or None, what="a process of the program")
        process.kill()
    await eventually(lambda: not sleeping(seconds) or None, what="the end of all processes")


def sleeping(seconds: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if seconds in (p.info["cmdline"] or [])]


def test_any_folder_is_removed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    kept = outside / "kept"
    kept.write_text("kept")
    (folder / "link").symlink_to(outside)
    closed = folder / "closed"
    closed.mkdir()
    (closed / "file").touch()
    closed.chmod(0)
    script = (
        "import os\nfor _ in range(3000):\n    os.mkdir('d' * 20)\n    os.chdir('d' * 20)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, timeout=60)
    remove_folder(folder)
    assert (folder.exists(), kept.read_text()) == (False, "kept")
