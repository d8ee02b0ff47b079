"""Routes with windows, and daemons that are killed and frozen: each event is given once, each window called once."""

import asyncio
import os
import signal

import pytest
from temporalio.client import Client

from bridge.lifecycle.crash_points import FREEZE, VARIABLE
from tests.crash.matrix.test_daemons import all_have_their_share
from tests.crash.matrix.test_handover import stands_still
from tests.support.daemon import Bridge, running
from tests.support.load_of_windows import Windowed
from tests.support.waiting import eventually, line

pytestmark = pytest.mark.slow

POINTS = (
    *("intake.before-commit", "intake.before-commit:2", "intake.after-commit"),
    *("windows.before-close", "windows.before-close:3", "windows.closed", "windows.closed:3"),
    *("dispatch.taken", "dispatch.before-call", "dispatch.after-call:2"),
    *("dispatch.before-settle", "dispatch.settled:2"),
)


async def alone(bridge: Bridge, temporal: Client, point: str) -> None:
    """The only daemon is killed at a point; another one follows."""
    load = Windowed(bridge, temporal)
    await load.set_up()
    doomed = bridge.daemon("doomed", **{VARIABLE: point})
    async with running(doomed):
        publishing = asyncio.create_task(load.publish_in_parts())
        async with asyncio.timeout(120):
            assert await doomed.exited() == -signal.SIGKILL
    async with running(bridge.daemon("successor")):
        await publishing
        await load.assert_all_once(within=120)


async def killed(bridge: Bridge, temporal: Client, point: str) -> None:
    """One of two is killed at a point; the other one goes on."""
    load = Windowed(bridge, temporal, lanes=12)
    await load.set_up()
    doomed, other = bridge.daemon("doomed", **{VARIABLE: point}), bridge.daemon("other")
    async with running(doomed, other):
        await all_have_their_share(bridge, 2)
        publishing = asyncio.create_task(load.publish_in_parts())
        async with asyncio.timeout(120):
            assert await doomed.exited() == -signal.SIGKILL
        await publishing
        await load.assert_all_once(within=120)


async def frozen(bridge: Bridge, temporal: Client, point: str) -> None:
    """One of two is frozen there until the other one has done everything, then it runs on."""
    load = Windowed(bridge, temporal, lanes=12)
    await load.set_up()
    victim, other = bridge.daemon("victim", **{FREEZE: point}), bridge.daemon("other")
    async with running(victim, other):
        await all_have_their_share(bridge, 2)
        publishing = asyncio.create_task(load.publish_in_parts())
        await eventually(lambda: stands_still(victim), within=120, what="it freezes")
        said = victim.command.log.stat().st_size
        try:
            await all_have_their_share(bridge, 1)
            await publishing
        finally:
            os.kill(victim.pid, signal.SIGCONT)
        await line(
            victim.command.log, "partitions.lost|dispatch.deposed|lease.lost", start=said
        )
        await load.assert_all_once(within=120)


async def test_a_daemon_is_killed_when_it_has_closed_windows(
    bridge: Bridge, temporal: Client
) -> None:
    await alone(bridge, temporal, "windows.closed")


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("point", POINTS)
async def test_the_only_one_is_killed(bridge: Bridge, temporal: Client, point: str) -> None:
    await alone(bridge, temporal, point)


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", [killed, frozen])
@pytest.mark.parametrize("point", POINTS[3:7] + POINTS[8:10])
async def test_one_of_two(what: object, bridge: Bridge, temporal: Client, point: str) -> None:
    assert callable(what)
    await what(bridge, temporal, point)


@pytest.mark.torture
@pytest.mark.timeout(2700)
async def test_three_are_killed_and_frozen_again_and_again(
    bridge: Bridge, temporal: Client
) -> None:
    load = Windowed(bridge, temporal, lanes=12, each=40)
    await load.set_up()
    daemons = [bridge.daemon(name) for name in ("one", "two", "three")]
    async with running(*daemons):
        publishing = asyncio.create_task(load.publish_in_parts(10))
        for tenth in range(1, 9):
            await load.settled(len(load.events) * tenth // 10, within=240)
            victim = daemons[tenth % 3]
            if tenth % 2:
                await victim.kill()
                await victim.start()
            else:
                os.kill(victim.pid, signal.SIGSTOP)
                await all_have_their_share(bridge, 2)
                os.kill(victim.pid, signal.SIGCONT)
            await all_have_their_share(bridge, 3)
        await publishing
        await load.assert_all_once(within=240)
