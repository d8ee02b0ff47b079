"""Source streams of every retention under every fault: nothing is lost, and the order is the stream's.

The judge knows what the publisher's acknowledgements said, and reads the stream's server and the
database directly: every message that NATS took is an event, in the order of the stream, or in a
range that is noted as removed; and nothing is noted as removed that was not purged.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import nats
import pytest
import yaml
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import Error as JetStreamError

from bridge.devstack.addresses import Addresses
from bridge.devstack.child import Child
from bridge.devstack.nats_server import NatsServer
from tests.support import checker, publishing
from tests.support.daemon import Bridge, running
from tests.support.own_nats import nats_server, oldest_binary
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

TYPE = "io.quantum-suite.retentions.happened.v1"
COUNT = 600
RETENTIONS = ("limits", "interest", "workqueue")


@dataclass
class Cell:
    """A stream with one retention on a server of its own, daemons on it, and a publisher."""

    bridge: Bridge
    server: NatsServer
    proxy: Proxy
    retention: str
    sent: dict[int, int] = field(default_factory=dict)
    """Number of the event by its sequence, as NATS acknowledged it."""
    purged: bool = False
    history: int = 0
    """How many events are published before a daemon reads the stream for the first time."""

    @property
    def stream(self) -> str:
        """Its name on the server."""
        return f"{self.bridge.prefix}-EVENTS"

    async def set_up(self) -> None:
        """Make the stream before the bridge would, and routes that match nothing."""
        client = await self.client()
        await client.request(
            f"$JS.API.STREAM.CREATE.{self.stream}",
            json.dumps(
                {
                    "name": self.stream,
                    "subjects": [f"{self.bridge.prefix}.events.>"],
                    "retention": self.retention,
                    "storage": "file",
                }
            ).encode(),
        )
        await client.close()
        await self.bridge.set_up()
        source = {"stream": "EVENTS", "start_from": "all"}
        routes = {"sources": [source], "routes": []} if self.history else {"routes": []}
        self.bridge.routes_file.write_text(yaml.safe_dump(routes))
        if self.history:
            if self.retention == "interest":
                # It keeps only what a consumer has not acknowledged.
                client = await self.client()
                other = ConsumerConfig(durable_name="other", ack_policy=AckPolicy.EXPLICIT)
                await client.jetstream().add_consumer(self.stream, other)
                await client.close()
            await self.publish(count=self.history)

    async def client(self) -> Client:
        """A plain client, not through the proxy."""
        return await nats.connect(self.server.url, max_reconnect_attempts=-1, connect_timeout=5)

    async def publish(self, first: int = 0, count: int = COUNT) -> None:
        """Publish events, one after another, each again until NATS has taken it."""
        client = await self.client()
        js = client.jetstream(timeout=2)
        for number in range(first, count):
            event = publishing.event(TYPE, {"number": number}, id=str(number))
            while True:
                try:
                    ack = await js.publish(
                        publishing.subject_of(self.bridge, TYPE),
                        json.dumps(event).encode(),
                        headers={
                            "Content-Type": "application/cloudevents+json",
                            "Nats-Msg-Id": str(number),
                        },
                    )
                except (NatsError, JetStreamError, OSError, TimeoutError):
                    await asyncio.sleep(0.1)
                    continue
                self.sent[ack.seq] = number
                break
            await asyncio.sleep(0.005)
        await client.close()

    async def consumed(self) -> None:
        """Wait until the source's consumer exists: interest retention keeps nothing before."""

        async def look() -> bool:
            client = await self.client()
            try:
                info = await client.jetstream().consumer_info(self.stream, "ntbridge")
            finally:
                await client.close()
            return info is not None

        await eventually(look, within=60, forgive=(NatsError, JetStreamError, AssertionError))

    async def recorded(self, count: int) -> None:
        """Wait until so many events are stored."""

        async def look() -> bool:
            return await self.stored() >= count

        await eventually(look, within=90, what=f"{count} events stored")

    async def stored(self) -> int:
        [row] = await checker.rows(self.bridge, "select count(*) as events from events")
        return int(row["events"])

    async def judge(self) -> None:
        """Hold what is stored against what NATS acknowledged."""
        last = max(self.sent)

        async def reached() -> bool:
            [row] = await checker.rows(
                self.bridge, "select max(sequence) as last from deliveries"
            )
            return bool(row["last"] == last)

        await eventually(reached, within=120, what=f"sequence {last} answered")
        stored = [
            int(row["id"])
            for row in await checker.rows(
                self.bridge, "select id from events order by position"
            )
        ]
        removed = {
            sequence
            for row in await checker.rows(
                self.bridge, "select first, through from removed_messages"
            )
            for sequence in range(row["first"], row["through"] + 1)
        }
        in_order = [self.sent[sequence] for sequence in sorted(self.sent)]
        missing = {
            sequence for sequence, number in self.sent.items() if number not in set(stored)
        }
        assert missing <= removed, f"lost without a trace: {sorted(missing - removed)}"
        assert stored == [number for number in in_order if number in set(stored)], (
            "out of order"
        )
        assert len(stored) == len(set(stored))
        if not self.purged:
            assert not missing
            assert not removed
        assert not await checker.dead_letters(self.bridge)


async def restart(_cell: Cell, daemons: list[Child]) -> None:
    """The daemon is stopped and started."""
    [daemon, *_] = daemons
    await daemon.stop()
    await daemon.start()


async def takeover(cell: Cell, daemons: list[Child]) -> None:
    """The leader is killed; the other one takes over."""
    await (await leader(cell, daemons)).kill()


async def frozen(cell: Cell, daemons: list[Child]) -> None:
    """The leader is frozen with a pull open until the other has taken over, and thaws."""
    victim = await leader(cell, daemons)
    os.kill(victim.pid, signal.SIGSTOP)
    try:

        async def taken_over() -> bool:
            return await leader(cell, daemons) is not victim

        await eventually(taken_over, within=60)
        # Everything may be recorded by then.
        await cell.recorded(min(await cell.stored() + 20, COUNT))
    finally:
        os.kill(victim.pid, signal.SIGCONT)


async def nats_restart(cell: Cell, _daemons: list[Child]) -> None:
    """NATS is killed and started."""
    await cell.server.kill()
    await cell.server.start()


async def reconnection(cell: Cell, _daemons: list[Child]) -> None:
    """The daemons' connections are cut, several times."""
    for _ in range(3):
        cell.proxy.cut()
        await asyncio.sleep(0.3)


async def purge(cell: Cell, daemons: list[Child]) -> None:
    """The stream is purged while nobody reads it."""
    for daemon in daemons:
        await daemon.kill()
    await asyncio.sleep(0.5)
    client = await cell.client()
    await client.jetstream().purge_stream(cell.stream)
    await client.close()
    cell.purged = True
    for daemon in daemons:
        await daemon.start()


async def consumer_deleted(cell: Cell, _daemons: list[Child]) -> None:
    """Somebody deletes the consumer; interest retention drops what it had not acknowledged."""
    client = await cell.client()
    await client.jetstream().delete_consumer(cell.stream, "ntbridge")
    await client.close()
    cell.purged = cell.retention == "interest"


FAULTS: tuple[Callable[[Cell, list[Child]], Awaitable[None]], ...] = (
    *(restart, takeover, frozen, nats_restart, reconnection, purge, consumer_deleted),
)


async def leader(cell: Cell, daemons: list[Child]) -> Child:
    """Which of the daemons holds the source's lease."""

    async def look() -> Child | None:
        rows = await checker.rows(
            cell.bridge,
            "select owner from leases where name = 'source/EVENTS/ntbridge' "
            "and expires_at > clock_timestamp()",
        )
        owners = [row["owner"].split(":")[1] for row in rows]
        return next(
            (each for each in daemons if each.running and str(each.pid) in owners), None
        )

    found: Child = await eventually(look, within=60, what="a leader")
    return found


@asynccontextmanager
async def cell_of(
    stack: Addresses,
    database_url: str,
    prefix: str,
    folder: Path,
    retention: str,
    binary: Path | None = None,
    history: int = 0,
) -> AsyncIterator[Cell]:
    """A cell with everything but the publishing under way."""
    async with nats_server(binary) as server, Proxy.to(server.url) as proxy:
        bridge = Bridge(
            addresses=replace(stack, nats_url=proxy.through(server.url)),
            database_url=database_url,
            prefix=prefix,
            task_queue="unused",
            folder=folder,
        )
        cell = Cell(bridge, server, proxy, retention, history=history)
        await cell.set_up()
        yield cell


async def run(cell: Cell, fault: Callable[[Cell, list[Child]], Awaitable[None]]) -> None:
    """Publish, do it twice in between, judge."""
    daemons = [cell.bridge.daemon(name) for name in ("one", "two")]
    async with running(*daemons):
        await cell.consumed()
        publishing_all = asyncio.create_task(cell.publish(first=cell.history))
        for part in (1, 2):
            await cell.recorded(part * COUNT // 6)
            await fault(cell, daemons)
            for daemon in daemons:
                await daemon.start()
        await publishing_all
        await cell.judge()


@pytest.mark.torture
@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("retention", RETENTIONS)
async def test_nothing_is_lost_and_the_order_is_kept(
    stack: Addresses,
    migrated_database_url: str,
    prefix: str,
    tmp_path: Path,
    retention: str,
    fault: Callable[[Cell, list[Child]], Awaitable[None]],
) -> None:
    async with cell_of(stack, migrated_database_url, prefix, tmp_path, retention) as cell:
        await run(cell, fault)


@pytest.mark.torture
@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", [takeover, nats_restart], ids=lambda each: each.__name__)
@pytest.mark.parametrize("retention", RETENTIONS)
async def test_a_history_is_read_once_and_in_order_too(
    stack: Addresses,
    migrated_database_url: str,
    prefix: str,
    tmp_path: Path,
    retention: str,
    fault: Callable[[Cell, list[Child]], Awaitable[None]],
) -> None:
    history = COUNT // 2
    async with cell_of(
        stack, migrated_database_url, prefix, tmp_path, retention, history=history
    ) as cell:
        await run(cell, fault)


@pytest.mark.slow
@pytest.mark.timeout(200)
async def test_a_leader_that_is_frozen_with_a_pull_open_and_thaws(
    stack: Addresses, migrated_database_url: str, prefix: str, tmp_path: Path
) -> None:
    async with cell_of(stack, migrated_database_url, prefix, tmp_path, "workqueue") as cell:
        await run(cell, frozen)


@pytest.mark.torture
@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
async def test_the_oldest_server_keeps_a_limits_stream_in_order(
    stack: Addresses,
    migrated_database_url: str,
    prefix: str,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    fault: Callable[[Cell, list[Child]], Awaitable[None]],
) -> None:
    assert pytestconfig.cache is not None
    oldest = oldest_binary(pytestconfig.cache)
    async with cell_of(
        stack, migrated_database_url, prefix, tmp_path, "limits", oldest
    ) as cell:
        await run(cell, fault)


@pytest.mark.torture
@pytest.mark.parametrize("retention", ["interest", "workqueue"])
async def test_the_oldest_server_is_refused_by_name_for_other_retentions(
    stack: Addresses,
    migrated_database_url: str,
    prefix: str,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    retention: str,
) -> None:
    assert pytestconfig.cache is not None
    oldest = oldest_binary(pytestconfig.cache)
    async with cell_of(
        stack, migrated_database_url, prefix, tmp_path, retention, oldest
    ) as cell:
        daemon = cell.bridge.daemon()
        async with running(daemon):

            def refused() -> bool:
                said = daemon.output()
                return (
                    "nats-server 2.12.0 cannot reset a consumer" in said and retention in said
                )

            await eventually(refused, within=30)
