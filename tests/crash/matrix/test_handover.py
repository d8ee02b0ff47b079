"""Two daemons, one of which dies or freezes with dispatches that it has only in memory.

What was handed over from intake's memory is open in the table: the other daemon takes it from there,
each event has one effect, and each key keeps its order.
"""

import asyncio
import os
import signal

import psutil
import pytest
from temporalio.client import Client

from bridge.devstack.child import Child
from bridge.lifecycle.crash_points import FREEZE, VARIABLE
from tests.crash.matrix.test_daemons import all_have_their_share
from tests.support.daemon import Bridge, running
from tests.support.load_of_signals import Signals
from tests.support.waiting import eventually, line

pytestmark = pytest.mark.slow

POINTS = ("dispatch.handed", "dispatch.handed:3", "dispatch.before-call:9")
LANES = 12


async def killed(bridge: Bridge, temporal: Client, point: str) -> None:
    """Kill the daemon that leads the source at a point; the other one goes on."""
    load = Signals(bridge, temporal, lanes=LANES, each=6)
    await load.set_up()
    doomed, other = bridge.daemon("doomed", **{VARIABLE: point}), bridge.daemon("other")
    async with running(doomed, other):
        await all_have_their_share(bridge, 2)
        publishing = asyncio.create_task(publish(load))
        async with asyncio.timeout(120):
            assert await doomed.exited() == -signal.SIGKILL
        await publishing
        await load.assert_all_once(within=120)


async def frozen(bridge: Bridge, temporal: Client, point: str) -> None:
    """Freeze it there until the other one has done everything, then let it run on."""
    load = Signals(bridge, temporal, lanes=LANES, each=6)
    await load.set_up()
    victim, other = bridge.daemon("victim", **{FREEZE: point}), bridge.daemon("other")
    async with running(victim, other):
        await all_have_their_share(bridge, 2)
        publishing = asyncio.create_task(publish(load))
        await eventually(lambda: stands_still(victim), within=120, what="it freezes")
        said = victim.command.log.stat().st_size
        try:
            await publishing
            await all_have_their_share(bridge, 1)
            await load.settled(len(load.events), within=120)
        finally:
            os.kill(victim.pid, signal.SIGCONT)
        await line(
            victim.command.log, "partitions.lost|dispatch.deposed|lease.lost", start=said
        )
        await load.assert_all_once(within=120)
        await all_have_their_share(bridge, 2)


async def publish(load: Signals) -> None:
    """Publish the next event of each key when the last one is settled: then nothing precedes it."""
    for done in range(0, len(load.events), LANES):
        await load.publish(done, done + LANES)
        await load.settled(done + LANES, within=240)


def stands_still(child: Child) -> bool:
    """Whether a process has stopped itself."""
    return psutil.Process(child.pid).status() == psutil.STATUS_STOPPED


async def test_one_is_killed_between_a_commit_and_the_calls(
    bridge: Bridge, temporal: Client
) -> None:
    await killed(bridge, temporal, POINTS[0])


async def test_one_is_frozen_between_a_commit_and_the_calls(
    bridge: Bridge, temporal: Client
) -> None:
    await frozen(bridge, temporal, POINTS[1])


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", [killed, frozen])
@pytest.mark.parametrize("point", POINTS)
async def test_each_point(what: object, bridge: Bridge, temporal: Client, point: str) -> None:
    assert callable(what)
    await what(bridge, temporal, point)
