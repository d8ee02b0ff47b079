"""A stop that cannot finish: it says so, is cut off in time, and loses nothing."""

import asyncio
import os
import signal

import pytest
from nats.aio.client import Client

from bridge.devstack.child import Child
from tests.support import pages
from tests.support.daemon import Bridge, running
from tests.support.load import Load, Moment
from tests.support.outages import at
from tests.support.proxy import Proxy
from tests.support.waiting import eventually, line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


async def calls_hang(url: str) -> None:
    """Wait until calls to Temporal are under way that get no answer."""

    async def look() -> bool:
        return (await pages.metrics(url))["ntbridge_dispatch_in_flight"] > 0

    await eventually(look, what="calls in flight")


async def started_again(daemon: Child) -> int:
    """Start it once more; returns where its log goes on."""
    size = daemon.command.log.stat().st_size
    await daemon.start()
    return size


async def test_a_stop_is_cut_off_in_time_and_a_second_signal_ends_it_at_once(
    bridge: Bridge, client: Client
) -> None:
    load = Load(bridge, 60)
    address = bridge.addresses.temporal_address
    async with Proxy.to(address) as temporal:
        daemon = at(bridge, temporal_address=temporal.through(address)).daemon(
            NTBRIDGE_STOP_WITHIN="2"
        )
        async with running(bridge.light_worker(), daemon):
            publishing = asyncio.create_task(load.publish(client))
            await load.reached(Moment("started", 10))

            temporal.stall()
            url = await pages.url_of(daemon.command.log)
            await calls_hang(url)
            os.kill(daemon.pid, signal.SIGTERM)
            await line(daemon.command.log, '"event": "stop.begun"')
            shown = await pages.get(url, "/readyz")
            # Parts that have stopped by now fail their checks too.
            assert (shown.status, shown.failed[0]) == (503, "daemon")
            assert shown.check("daemon")["detail"] == "stopping"
            assert await asyncio.wait_for(daemon.exited(), 30) == 1
            assert '"event": "stop.cut_off"' in daemon.output()

            temporal.resume()
            start = await started_again(daemon)
            await load.reached(Moment("started", 20))
            temporal.stall()
            await calls_hang(await pages.url_of(daemon.command.log, start))
            os.kill(daemon.pid, signal.SIGTERM)
            await line(daemon.command.log, '"event": "stop.begun"', start=start)
            os.kill(daemon.pid, signal.SIGTERM)
            assert await asyncio.wait_for(daemon.exited(), 30) == 128 + signal.SIGTERM

            temporal.resume()
            await started_again(daemon)
            await publishing
            await load.assert_all_once()
