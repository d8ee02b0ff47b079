"""How the child processes of an evaluator begin and end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection
from functools import partial
from pathlib import Path

import pytest
from typing_extensions import override

from bridge.cel import compile_expression
from bridge.evaluation import INLINE_BYTES, Evaluator
from bridge.evaluation.children import Children
from bridge.evaluation.process import ChildEndedError, ChildProcess
from bridge.telemetry import Telemetry
from tests.support.waiting import eventually
from tests.unit.bridge.evaluation.builders import (
    BAD_PATTERN,
    TOPIC,
    event,
    table,
)


@pytest.mark.slow
async def test_a_child_that_is_killed_is_replaced_and_the_step_tried_again() -> None:
    routes = table({"name": "a", "when": "data.text.matches(data.word)"})
    async with Evaluator() as evaluator:
        planning = asyncio.create_task(evaluator.plan(routes, TOPIC, event(BAD_PATTERN)))
        (child,) = await _children(evaluator)
        os.kill(child, signal.SIGKILL)
        (plan,) = await planning
        assert "processor time" in (plan.error or "")
        large = event({"text": "a" * 2 * INLINE_BYTES, "word": "b"})
        assert await evaluator.plan(routes, TOPIC, large) == []
        (idle,) = evaluator.pids
        os.kill(idle, signal.SIGKILL)
        assert await evaluator.plan(routes, TOPIC, large) == []


@pytest.mark.slow
async def test_a_child_that_dies_at_each_try_is_the_dead_letter_of_that_route() -> None:
    routes = table({"name": "a", "when": "data.text.matches(data.word)"}, {"name": "b"})
    async with Evaluator() as evaluator:
        planning = asyncio.create_task(evaluator.plan(routes, TOPIC, event(BAD_PATTERN)))
        seen: set[int] = set()
        while len(seen) < 2:
            (child,) = await _children(evaluator, seen)
            seen.add(child)
            began = _ticks(child)
            await eventually(partial(_has_worked, child, began))
            os.kill(child, signal.SIGKILL)
        plans = await planning
        assert [(plan.route, plan.state) for plan in plans] == [("a", "dead"), ("b", "open")]
        assert "ended with code -9" in (plans[0].error or "")


async def test_a_child_inherits_nothing_and_dies_with_its_parent(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NTBRIDGE_SECRET", "x")
    listener = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", 0
    )
    async with listener:
        await evaluator.plan(table({"name": "a"}), TOPIC, event({"t": "a" * 2 * INLINE_BYTES}))
        (child,) = evaluator.pids
        process = Path(f"/proc/{child}")
        names = {
            line.partition(b"=")[0] for line in (process / "environ").read_bytes().split(b"\0")
        }
        assert names <= {b"PYTHONPATH", b"PYTHONUTF8", b""}
        links = [str(each.readlink()) for each in (process / "fd").iterdir()]
        assert not [link for link in links if link.startswith("socket:")]
        assert len(links) <= 4


def test_a_child_imports_nothing_of_its_parent() -> None:
    program = (
        "import bridge.evaluation.child, sys\n"
        "print(*({'structlog', 'bridge.evaluation.evaluator', 'temporalio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b""


@pytest.mark.slow
async def test_a_busy_child_dies_with_its_parent() -> None:
    program = (
        "import asyncio, sys\n"
        "from bridge.evaluation import Evaluator\n"
        "from bridge.cel import compile_expression\n"
        "from eventstore.events import Event\n"
        "async def main():\n"
        "    async with Evaluator() as evaluator:\n"
        "        data = b'{\"t\": \"' + b'a' * 3_000_000 + b'\", \"w\": \"' + b'a' * 900_000 + b'b\"}'\n"
        "        event = Event(id='1', source='/s', type='t', data=data)\n"
        "        condition = compile_expression('data.t.contains(data.w)', 'bool')\n"
        "        asking = asyncio.create_task(evaluator.holds(condition, 'a.b', event))\n"
        "        while not evaluator.pids: await asyncio.sleep(0.01)\n"
        "        print(*evaluator.pids, flush=True)\n"
        "        await asking\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await eventually(lambda: not _is_there(child))


async def test_cancelling_the_question_ends_the_child(evaluator: Evaluator) -> None:
    condition = compile_expression("data.text.matches(data.word)", "bool")
    asking = asyncio.create_task(evaluator.holds(condition, TOPIC, event(BAD_PATTERN)))
    (child,) = await _children(evaluator)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not _is_there(child)
    assert evaluator.pids == ()


async def test_a_service_has_a_child_after_a_time_and_leaves_none_behind() -> None:
    evaluator = Evaluator(child_after=0)
    await evaluator.start()
    (child,) = await _children(evaluator)
    assert _is_there(child)
    await evaluator.stop()
    assert not _is_there(child)


async def test_there_is_one_child_before_one_is_needed() -> None:
    children = Children(ChildProcess.start)
    await children.have_one()
    (child,) = children.pids
    await children.have_one()
    assert children.pids == (child,)
    await children.close()


async def test_a_service_that_stops_before_that_time_starts_no_child() -> None:
    async def start() -> ChildProcess:
        raise AssertionError("no event needs a child")

    evaluator = Evaluator(start)
    await evaluator.start()
    await evaluator.stop()


async def test_a_child_that_cannot_serve_is_an_error_not_a_wait() -> None:
    large = event({"t": "a" * 2 * INLINE_BYTES})
    async with Evaluator(partial(ChildProcess.start, "raise SystemExit(3)")) as evaluator:
        with pytest.raises(ChildEndedError, match="ended with code 3"):
            await evaluator.plan(table({"name": "a"}), TOPIC, large)


async def test_a_function_is_called_in_a_child_when_its_argument_is_large(
    evaluator: Evaluator,
) -> None:
    assert await evaluator.work(process_id, b"") == str(os.getpid()).encode()
    (pid,) = [int(await evaluator.work(process_id, b" " * 2 * INLINE_BYTES))]
    assert [pid] == list(evaluator.pids)


@pytest.mark.slow
async def test_a_function_that_takes_too_much_is_ended_and_counted() -> None:
    telemetry = Ended()
    async with Evaluator(telemetry=telemetry) as evaluator:
        with pytest.raises(ChildEndedError) as refusal:
            await evaluator.work(endless, b" " * 2 * INLINE_BYTES)
        assert refusal.value.reason == "time"
    assert telemetry.times == {"time": 1, "memory": 0, "no-answer": 0, "died": 0}


class Ended(Telemetry):
    """Counts the children that ended."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()

    @override
    def evaluation_ended(self, reason: str, times: int = 1) -> None:
        self.times[reason] += times


def process_id(argument: bytes) -> bytes:
    """Return the id of the process that runs this."""
    del argument
    return str(os.getpid()).encode()


def endless(argument: bytes) -> bytes:
    """Never return."""
    while True:
        argument = bytes(reversed(argument))


async def _children(evaluator: Evaluator, but: Collection[int] = ()) -> list[int]:
    await eventually(lambda: set(evaluator.pids) - set(but))
    return [pid for pid in evaluator.pids if pid not in but]


def _ticks(pid: int) -> int:
    """Return the processor time of a process, in hundredths of a second."""
    return sum(
        map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    )


def _has_worked(pid: int, ticks: int) -> bool:
    return _ticks(pid) > ticks + 20


def _is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
