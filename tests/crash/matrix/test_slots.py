"""One run per key, whatever is killed or frozen: each event once, in order, never two runs of a key at a time."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable

import pytest
from temporalio.client import Client

from bridge.devstack.child import Child
from bridge.flow.plan import WhenFull
from bridge.lifecycle.crash_points import FREEZE, VARIABLE
from tests.crash.matrix.test_handover import stands_still
from tests.support.cells import AT_A_TIME, Cells
from tests.support.daemon import running
from tests.support.load_of_slots import SlotLoad
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

COMMITS = (
    *("intake.before-commit", "intake.after-commit"),
    *(
        "dispatch.before-call",
        "dispatch.after-call",
        "dispatch.before-settle",
        "dispatch.settled",
    ),
    *("closures.before-commit", "closures.announced", "slots.granted"),
)
"""Before and after each commit that grants, ties or frees a slot."""
How = Callable[[SlotLoad, str, int], Awaitable[None]]
CANCELLING = ("slots.before-cancel", "slots.cancelled")
PLAN: list[tuple[WhenFull, str]] = [
    *(("queue", f"{point}{nth}") for point in COMMITS for nth in ("", ":2")),
    *(("cancel_running", point) for point in (*COMMITS, *CANCELLING)),
    *(("skip", point) for point in COMMITS if point != "slots.granted"),
    *(("replace_queued", point) for point in COMMITS),
]


async def leads(daemon: Child) -> None:
    """Wait until a daemon leads all that the points lie in; a second one could take it otherwise."""

    def has_all() -> bool:
        said = (
            json.loads(line) for line in daemon.output().splitlines() if line.startswith("{")
        )
        acquired = {
            each["lease"].partition("/")[0]
            for each in said
            if each["event"] == "lease.acquired"
        }
        return acquired >= {"closures", "slots", "source"}

    await eventually(has_all, within=120, what=f"{daemon.name} leads")


async def killed(load: SlotLoad, point: str, others: int) -> None:
    """Kill the first daemon at a point; the others go on, or its successor if there are none."""
    doomed = load.bridge.daemon("doomed", **{VARIABLE: point})
    async with running(doomed):
        await leads(doomed)
        survivors = [load.bridge.daemon(f"other-{number}") for number in range(others)]
        async with running(*survivors):
            publishing = asyncio.create_task(load.publish())
            async with asyncio.timeout(120):
                code = await doomed.exited()
            assert code == -signal.SIGKILL, doomed.output()[-2000:]
            async with running(load.bridge.daemon("successor")):
                await publishing
                await load.done()
                await load.judge()


async def frozen(load: SlotLoad, point: str, others: int) -> None:
    """Freeze the first daemon at a point until the others have done everything, then thaw it."""
    victim = load.bridge.daemon("victim", **{FREEZE: point})
    async with running(victim):
        await leads(victim)
        survivors = [load.bridge.daemon(f"other-{number}") for number in range(others)]
        async with running(*survivors):
            publishing = asyncio.create_task(load.publish())
            await eventually(lambda: stands_still(victim), within=120, what="it freezes")
            try:
                await publishing
                await load.done()
            finally:
                os.kill(victim.pid, signal.SIGCONT)
            await load.done()
            await load.judge()


async def run(cells: Cells, how: How, plan: list[tuple[WhenFull, str]], others: int) -> None:
    """Run a cell for each policy and point, some of them at a time."""
    turns = asyncio.Semaphore(AT_A_TIME // 2)

    async def one(when_full: WhenFull, point: str) -> None:
        async with turns, cells.bridge() as bridge:
            # Otherwise the first daemon might have no call to make.
            in_first = point.startswith("dispatch.")
            load = SlotLoad(bridge, cells.temporal, when_full, in_first=in_first)
            await load.set_up()
            try:
                await how(load, point, others)
            except BaseException as error:
                error.add_note(f"in the cell of {when_full} and {point}")
                raise

    async with asyncio.TaskGroup() as group:
        for when_full, point in plan:
            group.create_task(one(when_full, point))


async def test_a_kill_between_the_end_of_a_run_and_the_next_start(cells: Cells) -> None:
    await run(
        cells, killed, [("queue", "slots.granted"), ("cancel_running", "slots.cancelled")], 0
    )


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("when_full", ["queue", "cancel_running", "skip", "replace_queued"])
async def test_killed_at_each_commit(cells: Cells, when_full: WhenFull) -> None:
    await run(cells, killed, [each for each in PLAN if each[0] == when_full], 0)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("others", [1, 2])
@pytest.mark.parametrize("how", [killed, frozen])
async def test_with_other_daemons(cells: Cells, how: How, others: int) -> None:
    plan = [
        each for each in PLAN if each[0] in ("queue", "cancel_running") and ":" not in each[1]
    ]
    await run(cells, how, plan, others)


@pytest.mark.torture
async def test_a_run_that_ignores_its_cancellation_is_waited_for(
    cells: Cells, temporal: Client
) -> None:
    async with cells.bridge() as bridge:
        load = SlotLoad(bridge, temporal, "cancel_running", keys=1, each=2)
        await load.set_up()
        for event in load.events:
            event["data"]["ignores"] = True
        async with running(load.bridge.daemon()):
            await load.publish()
            await load.assert_waits_for_the_run()
