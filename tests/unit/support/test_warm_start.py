"""What is started warm behaves as what is started cold: streams, exit code, signals, parent, folder."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.devstack import launch
from tests.support import warm_start
from tests.support.servers import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

PROBE = "tests.support.warm_probe"
COMMAND = [sys.executable, "-m", PROBE]


@pytest.fixture(scope="module", autouse=True)
def warm() -> Iterator[None]:
    """Warm starts, whatever the options of this run are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warm_start, "WARM", {PROBE})
        undo = warm_start.install()
        yield
        undo()


def env(**more: str) -> dict[str, str]:
    return {**os.environ, **more}


def test_streams_arguments_folder_and_environment(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "tell", "ü", ""],
        cwd=tmp_path,
        env=env(TZ="Asia/Tokyo", PROBED="yes"),
        input=b"in\xc3\xbc",
        capture_output=True,
        check=False,
        timeout=180,
    )
    told = json.loads(done.stdout)
    assert done.returncode == 7
    assert done.stderr.decode() == "on standard error\n"
    assert told["arguments"] == ["tell", "ü", ""]
    assert told["stdin"] == "inü"
    assert told["cwd"] == told["first_path"] == str(tmp_path)
    assert (told["probed"], told["zone"]) == ("yes", "JST")
    assert told["parent"] == os.getpid()
    assert told["forked"]


def test_only_the_descriptors_that_are_passed_are_open(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock, (tmp_path / "other").open("w"):
        done = subprocess.run(
            [*COMMAND, "descriptors"],
            pass_fds=(lock.fileno(),),
            capture_output=True,
            check=False,
            timeout=180,
        )
        assert json.loads(done.stdout) == [0, 1, 2, lock.fileno()]


def test_a_signal_ends_it_as_any_child() -> None:
    with subprocess.Popen(
        [*COMMAND, "wait"], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        assert json.loads(child.stdout.readline()) == child.pid == os.getsid(child.pid)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
    with subprocess.Popen([*COMMAND, "wait"], stdout=subprocess.PIPE) as child:
        child.kill()
        assert child.wait(60) == -signal.SIGKILL


async def test_asyncio_starts_it_too() -> None:
    process = await asyncio.create_subprocess_exec(*COMMAND, "tell", stdin=-1, stdout=-1)
    out, _ = await asyncio.wait_for(process.communicate(b""), 60)
    assert json.loads(out)["forked"]
    assert process.returncode == 7


async def test_it_dies_with_its_parent() -> None:
    code = (
        "import subprocess, sys; from tests.support import warm_start; "
        f"warm_start.WARM.add({PROBE!r}); warm_start.install(); "
        f"p = subprocess.Popen([sys.executable, '-I', '-S', {launch.__file__!r}, str(__import__('os').getpid()), "
        f"'9', 'same', '', '--', sys.executable, '-m', {PROBE!r}, 'wait']); p.wait()"
    )
    with subprocess.Popen(  # noqa: ASYNC220 - it answers at once
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        pid = json.loads(await asyncio.to_thread(parent.stdout.readline))
        parent.kill()

    async def gone() -> bool:
        try:
            return not Path(f"/proc/{pid}/cmdline").read_bytes()  # noqa: ASYNC240 - in memory
        except FileNotFoundError:
            return True

    await eventually(gone)


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ([sys.executable, "-X", "utf8", "-m", PROBE, "tell"], {}),
        ([*COMMAND, "tell"], {"PYTHONWARNINGS": "error"}),
        ([*COMMAND, "tell"], {"PYTHONPATH": f"/elsewhere:{ROOT}"}),
    ],
)
def test_what_needs_an_interpreter_of_its_own_gets_one(
    command: list[str], variables: dict[str, str]
) -> None:
    done = subprocess.run(
        command, env=env(**variables), input=b"", capture_output=True, check=False, timeout=60
    )
    assert not json.loads(done.stdout)["forked"]
