"""The servers killed and started again under load: daemon and worker go on by themselves."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from bridge.devstack.child import Child
from bridge.devstack.servers import DevServers
from tests.support import checker
from tests.support.daemon import Bridge, running
from tests.support.load import Load, seeded
from tests.support.waiting import line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NOTICED = {
    "nats-server": '"event": "nats.disconnected"',
    "temporal": '"event": "dispatch.failed"',
    "postgres": '"event": "(dispatch|intake).store_unavailable"',
}
"""What the daemon logs when a server has gone, under load."""

EACH = 15


@dataclass
class Running:
    """Servers of the test's own, with a bridge on them."""

    servers: DevServers
    bridge: Bridge
    client: Client
    daemon: Child
    worker: Child

    @property
    def children(self) -> list[Child]:
        return [self.servers.nats, self.servers.temporal, self.servers.postgres]


@asynccontextmanager
async def everything(folder: Path) -> AsyncIterator[Running]:
    """Servers that may be killed: not those which the session shares."""
    servers = DevServers(None, standard_ports=False)
    await servers.start()
    try:
        bridge = Bridge(
            addresses=servers.addresses,
            database_url=servers.addresses.database_url,
            prefix="outages",
            task_queue="outages",
            folder=folder,
        )
        await bridge.set_up()
        client = await nats.connect(
            bridge.addresses.nats_url,
            reconnect_time_wait=0.1,
            max_reconnect_attempts=-1,
            error_cb=_expected,
        )
        daemon, worker = bridge.daemon(), bridge.light_worker()
        try:
            async with running(worker, daemon):
                yield Running(servers, bridge, client, daemon, worker)
        finally:
            await client.close()
    finally:
        await servers.stop()


async def _expected(_error: Exception) -> None:
    """A server that is killed is no news here."""


async def outage(up: Running, load: Load, server: Child, start: int) -> None:
    """Kill a server while events are on their way, publish more, start it once that is noticed."""
    log = up.daemon.command.log
    await load.publish(up.client, start, start + EACH)
    said = log.stat().st_size
    await server.kill()
    more = asyncio.create_task(load.publish(up.client, start + EACH, start + 2 * EACH))
    await line(log, NOTICED[server.name], within=120, start=said)
    await server.start()
    await more
    await checker.results_arrived(up.bridge, start + 2 * EACH, within=150)


async def rounds(up: Running, load: Load, servers: list[Child]) -> None:
    pids = up.daemon.pid, up.worker.pid
    for number, server in enumerate(servers):
        await outage(up, load, server, number * 2 * EACH)
    await load.assert_all_once()
    assert (up.daemon.pid, up.worker.pid) == pids
    assert up.daemon.running
    assert up.worker.running


async def test_each_server_killed_under_load_is_survived(tmp_path: Path) -> None:
    async with everything(tmp_path) as up:
        await rounds(up, Load(up.bridge, 3 * 2 * EACH), up.children)


@pytest.mark.torture
@pytest.mark.timeout(2700)
async def test_servers_killed_again_and_again_in_any_order(tmp_path: Path) -> None:
    dice: random.Random = seeded()
    async with everything(tmp_path) as up:
        servers = [dice.choice(up.children) for _ in range(15)]
        await rounds(up, Load(up.bridge, len(servers) * 2 * EACH), servers)
