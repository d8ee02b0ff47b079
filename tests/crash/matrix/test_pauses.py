"""A route and a source that people pause while daemons are killed: nothing is skipped or lost, order is kept."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest
from temporalio.client import Client

from bridge.devstack.child import Child
from bridge.lifecycle.crash_points import VARIABLE
from tests.crash.matrix.test_daemons import all_have_their_share, leader_of
from tests.support.cells import Cells
from tests.support.daemon import Bridge, running
from tests.support.paused_load import PausedLoad
from tests.support.waiting import line

pytestmark = [pytest.mark.slow, pytest.mark.torture]

_BETWEEN = 20
_AT_A_TIME = 3
"""Cells; each has two or three daemons."""
PlannedCell = tuple[Callable[[PausedLoad, str], Awaitable[None]], str]


async def killed(doomed: Child) -> None:
    """Wait until a daemon has killed itself."""
    async with asyncio.timeout(240):
        code = await doomed.exited()
    assert code == -signal.SIGKILL, f"ended with {code}: {doomed.output()[-2000:]}"


async def replaced(bridge: Bridge, daemons: list[Child]) -> None:
    """Kill the daemon that leads the source, and start it again."""
    victim = await leader_of(bridge, daemons)
    await victim.kill()
    await victim.start()
    await all_have_their_share(bridge, len(daemons))


async def paused_route(load: PausedLoad, point: str) -> None:
    """Its lanes hold over two kills; after it is resumed, and a third, everything is there once."""
    bridge, half = load.bridge, len(load.events) // 2
    await load.pause("route", load.held_route)
    doomed = bridge.daemon("doomed", **{VARIABLE: point})
    one, two = bridge.daemon("one"), bridge.daemon("two")
    async with running(doomed, one):
        await load.publish(0, half)
        await killed(doomed)
        async with running(two):
            await replaced(bridge, [one, two])
            # What comes now passes both daemons, and so the held lanes of each.
            await load.publish(half)
            await load.recorded(len(load.events))
            passing = load.passing(load.events)
            await load.settled(len(passing), within=120)
            await load.assert_exactly(passing)
            await load.resume("route", load.held_route)
            await load.settled(len(passing) + 1, within=120)
            await replaced(bridge, [one, two])
            await load.assert_all_once(within=240)
            await load.assert_recorded_in_order()


async def paused_source(load: PausedLoad, point: str) -> None:
    """Nothing is recorded over a kill of its leader; after it is resumed, and another, everything is."""
    bridge, half = load.bridge, len(load.events) // 2
    one, two = bridge.daemon("one"), bridge.daemon("two")
    async with running(one, two):
        await load.publish(0, half)
        await load.settled(half, within=120)
        await load.pause("source", load.source)
        for daemon in (one, two):
            await line(daemon.command.log, "pauses.paused", within=120)
        # A pull that was open may still bring some.
        await load.publish(half, half + _BETWEEN)
        await replaced(bridge, [one, two])
        recorded = await load.recorded_now()
        await load.publish(half + _BETWEEN)
        await replaced(bridge, [one, two])
        await two.kill()
        doomed = bridge.daemon("doomed", **{VARIABLE: point})
        async with running(doomed):
            await one.kill()  # so that the doomed one leads
            await leader_of(bridge, [doomed])
            assert await load.recorded_now() == recorded <= half + _BETWEEN
            await load.settled(recorded, within=120)
            await load.assert_exactly(load.events[:recorded])
            await load.resume("source", load.source)
            await killed(doomed)
        await one.start()
        await two.start()
        await load.assert_all_once(within=240)
        await load.assert_recorded_in_order()


ROUTE_POINTS = (
    *(
        "intake.after-commit",
        "dispatch.taken",
        "dispatch.before-call:3",
        "dispatch.after-call:2",
    ),
    *("dispatch.before-settle", "dispatch.settled:2"),
)
SOURCE_POINTS = (
    *("intake.fetched", "intake.matched", "intake.before-commit", "intake.after-commit"),
    *("intake.acked", "dispatch.after-call:2"),
)


async def run(cells: Cells, temporal: Client, *plan: PlannedCell) -> None:
    """Run some cells beside each other: mostly they wait for leases to run out."""
    turns = asyncio.Semaphore(_AT_A_TIME)

    async def one(cell: PlannedCell) -> None:
        scenario, point = cell
        async with turns, cells.bridge() as bridge:
            load = PausedLoad(bridge, temporal)
            await load.set_up()
            try:
                await scenario(load, point)
            except BaseException as error:
                error.add_note(f"in the cell of {scenario.__name__} and {point}")
                raise

    async with asyncio.TaskGroup() as group:
        for each in plan:
            group.create_task(one(each))


async def test_a_route_and_a_source_are_paused_while_daemons_are_killed(
    cells: Cells, temporal: Client
) -> None:
    await run(
        cells,
        temporal,
        (paused_route, "dispatch.after-call:2"),
        (paused_source, "intake.before-commit"),
    )


@pytest.mark.timeout(3600)
async def test_a_paused_route_and_every_point(cells: Cells, temporal: Client) -> None:
    await run(cells, temporal, *((paused_route, point) for point in ROUTE_POINTS))


@pytest.mark.timeout(3600)
async def test_a_paused_source_and_every_point(cells: Cells, temporal: Client) -> None:
    await run(cells, temporal, *((paused_source, point) for point in SOURCE_POINTS))
