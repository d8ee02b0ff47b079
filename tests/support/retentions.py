"""A source stream of one retention on a server of its own, with a publisher and a judge.

The judge knows what the publisher's acknowledgements said, and reads the stream's server and the
database directly: every message that NATS took is an event, in the order of the stream, or in a
range that is noted as removed; and nothing is noted as removed that was not purged.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import nats
import yaml
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import Error as JetStreamError

from bridge.devstack.addresses import Addresses
from bridge.devstack.nats_server import NatsServer
from tests.support import checker, publishing
from tests.support.daemon import Bridge
from tests.support.own_nats import nats_server
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

TYPE = "io.quantum-suite.retentions.happened.v1"
COUNT = 600
HELD_BACK = 100
"""Events that are published after the last fault, however fast the others were."""


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
    faults_done: asyncio.Event = field(default_factory=asyncio.Event)
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
        """Publish events, one after another, each again until NATS has taken it.

        The last ones wait until the faults are done.
        """
        client = await self.client()
        js = client.jetstream(timeout=2)
        for number in range(first, count):
            if number == COUNT - HELD_BACK:
                await self.faults_done.wait()
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

        await eventually(look, within=120, forgive=(NatsError, JetStreamError, AssertionError))

    async def recorded(self, count: int) -> None:
        """Wait until so many events are stored."""

        async def look() -> bool:
            return await self.stored() >= count

        await eventually(look, within=300, what=f"{count} events stored")

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

        await eventually(reached, within=300, what=f"sequence {last} answered")
        stored = [
            int(row["id"])
            for row in await checker.rows(
                self.bridge, "select id from event_attributes order by position"
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
