"""A daemon that is started while one of its servers is away waits for it, and gives nothing up."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from nats.aio.client import Client

from tests.support import checker
from tests.support.daemon import Bridge, running
from tests.support.load import Load
from tests.support.proxy import Proxy
from tests.support.waiting import eventually, line

pytestmark = pytest.mark.slow


@pytest.fixture
async def load(bridge: Bridge, client: Client) -> AsyncIterator[Load]:
    """A few events that are published, with a worker that waits for their runs."""
    load = Load(bridge, 5)
    async with running(bridge.light_worker()):
        await load.publish(client)
        yield load


async def test_temporal_away_at_the_start_is_no_reason_to_give_an_event_up(
    bridge: Bridge, load: Load
) -> None:
    async with Proxy.to(bridge.addresses.temporal_address) as proxy:
        address = proxy.through(bridge.addresses.temporal_address)
        await proxy.refuse()
        async with running(bridge.daemon(TEMPORAL_ADDRESS=address)):

            async def tried_often() -> bool:
                rows = await checker.dispatches(bridge)
                # All of them once; then one at a time finds out whether somebody answers.
                return len(rows) == 5 and sum(row["attempts"] for row in rows) >= 10

            await eventually(tried_often, within=60, what="ten tries to reach Temporal")
            assert {row["state"] for row in await checker.dispatches(bridge)} == {"open"}
            await proxy.accept()
            await load.assert_all_once()


@pytest.mark.parametrize(
    ("variable", "said"),
    [("NATS_URL", "nats.unreachable"), ("DATABASE_URL", "daemon.waits_for_postgres")],
)
async def test_nats_or_postgres_away_at_the_start_is_waited_for(
    bridge: Bridge, load: Load, variable: str, said: str
) -> None:
    url = bridge.environment[variable]
    async with Proxy.to(url) as proxy:
        await proxy.refuse()
        daemon = bridge.daemon(**{variable: proxy.through(url)})
        daemon.command = replace(daemon.command, ready=None)
        async with running(daemon):
            await line(daemon.command.log, said, within=60)
            await proxy.accept()
            await line(daemon.command.log, '"event": "daemon.ready"', within=60)
            await load.assert_all_once()
            assert '"event": "nats.closed"' not in daemon.output()


@pytest.mark.parametrize(
    ("variable", "said"),
    [("NATS_URL", "nats.unreachable"), ("DATABASE_URL", "daemon.waits_for_postgres")],
)
async def test_a_daemon_that_waits_can_be_told_to_stop(
    bridge: Bridge, variable: str, said: str
) -> None:
    url = bridge.environment[variable]
    async with Proxy.to(url) as proxy:
        await proxy.refuse()
        daemon = bridge.daemon(**{variable: proxy.through(url)})
        daemon.command = replace(daemon.command, ready=None)
        async with running(daemon):
            await line(daemon.command.log, said, within=60)
            os.kill(daemon.pid, signal.SIGTERM)
            assert await asyncio.wait_for(daemon.exited(), 15) == 0
            assert '"service.cancelled"' not in daemon.output()
