import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from bridge.devstack import locks
from bridge.devstack.child import Child, Command, run_to_end
from bridge.devstack.stack import says
from bridge.errors import StackError
from tests.support.waiting import eventually

FOREVER = "print('up', flush=True); import signal; signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOREVER


def command(tmp_path: Path, code: str, **changes: object) -> Command:
    given = {
        "name": "part",
        "argv": [sys.executable, "-I", "-S", "-c", code],
        "env": {},
        "log": tmp_path / "part.log",
        "ready": says("up"),
        **changes,
    }
    return Command(**given)  # type: ignore[arg-type]


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split()]


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def test_it_starts_stops_and_starts_again(tmp_path: Path) -> None:
    child = Child(command(tmp_path, FOREVER))
    await child.start()
    first = child.pid
    await child.start()
    assert child.pid == first
    await child.stop()
    await child.stop()
    await child.wait()
    assert is_gone(first)
    assert not child.running
    await child.start()
    assert child.output() == "up\n", "what the first run wrote is not counted"
    await child.stop()


async def test_one_that_dies_unasked_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    child = Child(command(tmp_path, FOREVER))
    await child.start()
    waiting = asyncio.create_task(child.wait())
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(
        StackError, match=r"part was ended by SIGKILL\. Its last log lines, .*:\n  up"
    ):
        await waiting
    await child.stop()


async def test_a_watcher_is_not_misled_by_a_kill_and_a_new_start(tmp_path: Path) -> None:
    child = Child(command(tmp_path, FOREVER))
    await child.start()
    waiting = asyncio.create_task(child.wait())
    await asyncio.sleep(0)
    await child.kill()
    await child.start()
    await waiting
    await child.stop()


async def test_one_that_ends_while_starting_is_reported(tmp_path: Path) -> None:
    child = Child(command(tmp_path, "print('no luck'); raise SystemExit(3)"))
    with pytest.raises(StackError, match=r"(?s)exit code 3 while starting.*no luck"):
        await child.start()
    assert not child.running


async def test_one_that_never_gets_ready_is_killed_and_reported(tmp_path: Path) -> None:
    child = Child(command(tmp_path, FOREVER, ready=says("never"), start_within=0.3))
    starting = asyncio.create_task(child.start())
    await eventually(lambda: child.running)
    pid = child.pid
    with pytest.raises(StackError, match=r"not ready after 0\.3 s"):
        await starting
    assert is_gone(pid)


async def test_its_time_is_over_also_when_that_comes_in_the_moment_of_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: Child) -> bool:
        await asyncio.sleep(0)
        return False

    monkeypatch.setattr("bridge.devstack.child._POLL", 0)
    for _ in range(5):  # it comes in one of very many moments
        child = Child(command(tmp_path, FOREVER, ready=never, start_within=0.1))
        with pytest.raises(StackError, match=r"not ready after 0\.1 s"):
            async with asyncio.timeout(20):
                await child.start()
        assert not child.running


async def test_a_cancelled_start_leaves_nothing(tmp_path: Path) -> None:
    child = Child(command(tmp_path, FOREVER, ready=says("never")))
    starting = asyncio.create_task(child.start())
    await eventually(lambda: "up" in child.output())
    pid = child.pid
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert is_gone(pid)


async def test_one_deaf_to_the_stop_signal_is_killed(tmp_path: Path) -> None:
    child = Child(command(tmp_path, DEAF, stop_within=0.1))
    await child.start()
    pid = child.pid
    await child.stop()
    assert is_gone(pid)


@pytest.mark.slow
async def test_what_it_started_goes_with_it(tmp_path: Path) -> None:
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {FOREVER!r}]); {FOREVER}"
    child = Child(command(tmp_path, code))
    await child.start()
    await eventually(lambda: child.output().count("up") == 2)
    children = children_of(child.pid)
    await child.stop()
    assert len(children) == 1
    await eventually(lambda: is_gone(children[0]))


@pytest.mark.slow
async def test_what_it_started_goes_with_it_however_its_death_is_noticed(
    tmp_path: Path,
) -> None:
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {FOREVER!r}]); {FOREVER}"
    child = Child(command(tmp_path, code))
    await child.start()
    await eventually(lambda: child.output().count("up") == 2)
    (grandchild,) = children_of(child.pid)
    os.kill(child.pid, signal.SIGKILL)
    await eventually(lambda: child.returncode == -signal.SIGKILL)
    await eventually(lambda: is_gone(grandchild))
    await child.stop()


async def test_a_successor_waits_for_what_a_predecessor_left(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    # The grandchild leaves the process group, as Postgres backends do, and inherits the lock.
    code = (
        f"import os; os.fork() or (os.setsid(), exec({FOREVER!r}));"
        "print('up', os.getpid(), flush=True); import signal; signal.pause()"
    )
    first = Child(command(tmp_path, code, lock=lock))
    await first.start()
    pid = first.pid
    await eventually(lambda: first.output().count("up") == 2)
    children = children_of(pid)
    await first.kill()
    assert locks.is_taken(lock)

    second = Child(command(tmp_path, FOREVER, lock=lock))
    starting = asyncio.create_task(second.start())
    await asyncio.sleep(0)
    assert not second.running
    os.kill(children[0], signal.SIGKILL)
    await starting
    await second.stop()
    assert not locks.is_taken(lock)


async def test_a_lock_that_stays_taken_ends_the_start(tmp_path: Path) -> None:
    held = locks.open_lock(tmp_path / "lock")
    assert locks.take(held)
    child = Child(command(tmp_path, FOREVER, lock=tmp_path / "lock", start_within=0.1))
    with pytest.raises(StackError, match="not ready"):
        await child.start()
    os.close(held)


@pytest.mark.slow
async def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    """The parent is a process that starts a child and is then killed."""
    code = f"""
import asyncio
from pathlib import Path
from bridge.devstack.child import Child, Command
from bridge.devstack.stack import says
async def main():
    inner = Child(Command(name="inner", argv=[{sys.executable!r}, "-c", {DEAF!r}], env={{}},
                          log=Path({str(tmp_path / "inner.log")!r}), ready=says("up")))
    await inner.start()
    print("up", inner.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    env = {"PYTHONPATH": str(Path(__file__).parents[4])}
    parent = Child(command(tmp_path, "", argv=[sys.executable, "-c", code], env=env))
    await parent.start()
    inner = int(parent.output().split()[1])
    assert not is_gone(inner)
    await parent.kill()
    await eventually(lambda: is_gone(inner))


async def test_run_to_end_gives_the_output_or_the_failure(tmp_path: Path) -> None:
    assert await run_to_end(command(tmp_path, "print('done')")) == "done\n"
    with pytest.raises(StackError, match=r"(?s)part ended with exit code 2\..*broken"):
        await run_to_end(command(tmp_path, "print('broken'); raise SystemExit(2)"))
    with pytest.raises(StackError, match="did not end within"):
        await run_to_end(command(tmp_path, FOREVER, start_within=0.2))


def test_a_child_that_is_not_running_has_no_pid(tmp_path: Path) -> None:
    child = Child(command(tmp_path, FOREVER))
    assert child.returncode is None
    with pytest.raises(StackError, match="part is not running"):
        _ = child.pid
