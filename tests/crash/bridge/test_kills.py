"""The daemon and the worker killed at random moments under load: every effect once, in order.

The moments follow from a seed, which is printed; SEED=… repeats them.
"""

import asyncio
import os
import signal

import pytest
from nats.aio.client import Client

from bridge.devstack.child import Child
from tests.support.daemon import Bridge, running
from tests.support.load import Load, Moment, seeded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


async def killed_and_started(load: Load, child: Child, plan: list[Moment]) -> None:
    for moment in plan:
        await load.reached(moment)
        await child.kill()
        await child.start()


async def test_the_daemon_killed_at_random_moments_loses_and_doubles_nothing(
    bridge: Bridge, client: Client
) -> None:
    load = Load(bridge, 200)
    plan = load.moments(seeded(), 2)
    daemon = bridge.daemon()
    async with running(bridge.light_worker(), daemon):
        await asyncio.gather(load.publish(client), killed_and_started(load, daemon, plan))
        await load.assert_all_once()


@pytest.mark.torture  # Temporal takes half a minute to miss a killed worker
async def test_the_worker_killed_at_a_random_moment_loses_and_doubles_nothing(
    bridge: Bridge, client: Client
) -> None:
    load = Load(bridge, 20, steps=1)
    plan = load.moments(seeded(), 1)
    worker = bridge.light_worker()
    async with running(worker, bridge.daemon()):
        await asyncio.gather(load.publish(client), killed_and_started(load, worker, plan))
        await load.assert_all_once()


async def test_told_to_stop_under_load_the_daemon_leaves_in_time_and_loses_nothing(
    bridge: Bridge, client: Client
) -> None:
    load = Load(bridge, 40)
    dice = seeded()
    daemon = bridge.daemon()
    async with running(bridge.light_worker(), daemon):
        publishing = asyncio.create_task(load.publish(client))
        for number in (signal.SIGTERM, signal.SIGINT):
            (moment,) = load.moments(dice, 1)
            await load.reached(moment)
            os.kill(daemon.pid, number)
            # Within the 15 s that `ntbridge dev` gives it.
            assert await asyncio.wait_for(daemon.exited(), 15) == 0
            assert '"event": "daemon.stopped"' in daemon.output()
            assert '"service.cancelled"' not in daemon.output()
            await daemon.start()
        await publishing
        await load.assert_all_once()


async def test_two_daemons_at_once_double_nothing_and_keep_the_order(
    bridge: Bridge, client: Client
) -> None:
    load = Load(bridge, 30, steps=1)
    (moment,) = load.moments(seeded(), 1)
    daemons = [bridge.daemon("daemon-a"), bridge.daemon("daemon-b")]
    async with running(bridge.light_worker(), *daemons):
        await asyncio.gather(
            load.publish(client), killed_and_started(load, daemons[0], [moment])
        )
        await load.assert_all_once()


@pytest.mark.torture
@pytest.mark.timeout(2700)
async def test_everything_of_ours_killed_again_and_again(
    bridge: Bridge, client: Client
) -> None:
    load = Load(bridge, 1000, steps=2)
    dice = seeded()
    children = [bridge.light_worker(), bridge.daemon("daemon-a"), bridge.daemon("daemon-b")]
    async with running(*children):
        await asyncio.gather(
            load.publish(client),
            *(killed_and_started(load, child, load.moments(dice, 6)) for child in children),
        )
        await load.assert_all_once(within=600)
