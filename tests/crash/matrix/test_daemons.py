"""Two and three daemons at once, killed and frozen past their leases: once each, and in order."""

import asyncio
import os
import signal

import pytest
from temporalio.client import Client

from bridge.devstack.child import Child
from tests.support import checker
from tests.support.daemon import Bridge, running
from tests.support.load_of_signals import Signals
from tests.support.waiting import eventually, line

pytestmark = pytest.mark.slow

SHARED = '"event": "partitions.acquired"'


async def all_have_their_share(bridge: Bridge, daemons: int) -> None:
    async def look() -> bool:
        rows = await checker.rows(
            bridge,
            "select count(*) from leases where name like 'partition/%'"
            " and owner is not null and expires_at > clock_timestamp() group by owner",
        )
        counts = [row[0] for row in rows]
        assert (len(counts), sum(counts)) == (daemons, 32)
        assert max(counts) - min(counts) <= 1
        return True

    await eventually(look, within=120, what="an even share for each")


async def leader_of(bridge: Bridge, daemons: list[Child]) -> Child:
    """The daemon that fetches: frozen, it holds messages in mid-air."""

    async def look() -> Child | None:
        rows = await checker.rows(
            bridge, "select owner from leases where name like 'source/%' and owner is not null"
        )
        pids = [int(row["owner"].split(":")[1]) for row in rows]
        return next((each for each in daemons if each.running and each.pid in pids), None)

    return await eventually(look, within=120, what="a daemon that leads")


async def test_one_of_two_is_killed(bridge: Bridge, temporal: Client) -> None:
    load = Signals(bridge, temporal)
    await load.set_up()
    daemons = [bridge.daemon("one"), bridge.daemon("two")]
    async with running(*daemons):
        await all_have_their_share(bridge, 2)
        publishing = asyncio.create_task(load.publish())
        await load.settled(len(load.events) // 4)
        await (await leader_of(bridge, daemons)).kill()
        await publishing
        await load.assert_all_once()


async def test_one_of_three_is_frozen_past_its_leases_and_thaws(
    bridge: Bridge, temporal: Client
) -> None:
    load = Signals(bridge, temporal)
    await load.set_up()
    daemons = [bridge.daemon(name) for name in ("one", "two", "three")]
    async with running(*daemons):
        await all_have_their_share(bridge, 3)
        publishing = asyncio.create_task(load.publish())
        await load.settled(len(load.events) // 4)
        await freeze_and_thaw(load, await leader_of(bridge, daemons), others=2)
        await publishing
        await load.assert_all_once()
        await all_have_their_share(bridge, 3)


async def freeze_and_thaw(load: Signals, frozen: Child, others: int) -> None:
    """Freeze a daemon until the others have done all its work, then let it go on."""
    log = frozen.command.log
    said = log.stat().st_size
    os.kill(frozen.pid, signal.SIGSTOP)
    try:
        await all_have_their_share(load.bridge, others)
        await load.settled(len(load.events))
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    await line(log, "partitions.lost|dispatch.deposed|lease.lost", start=said)


@pytest.mark.torture
@pytest.mark.timeout(2700)
async def test_three_are_killed_and_frozen_again_and_again(
    bridge: Bridge, temporal: Client
) -> None:
    load = Signals(bridge, temporal, lanes=20, each=60)
    await load.set_up()
    daemons = [bridge.daemon(name) for name in ("one", "two", "three")]
    async with running(*daemons):
        publishing = asyncio.create_task(load.publish())
        for tenth in range(1, 9):
            await load.settled(len(load.events) * tenth // 10, within=120)
            victim = await leader_of(bridge, daemons)
            if tenth % 2:
                await victim.kill()
                await victim.start()
            else:
                os.kill(victim.pid, signal.SIGSTOP)
                await all_have_their_share(bridge, 2)
                os.kill(victim.pid, signal.SIGCONT)
            await all_have_their_share(bridge, 3)
        await publishing
        await load.assert_all_once(within=120)
