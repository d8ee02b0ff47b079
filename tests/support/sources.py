"""A source stream and a reader of it: the daemon's consumer, with a record that a test can see."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import nats
from msgspec.structs import replace
from nats.aio.client import Client
from nats.js.api import StreamConfig

from bridge.cloudevents.codec import encode
from bridge.errors import NotConnected, SourceMissing
from bridge.intake.consumer import Consumer, Delivery
from bridge.intake.placement import LastRecorded, StartingPoint
from bridge.intake.progress import Tenure
from bridge.jetstream.connection import NatsConnection
from bridge.jetstream.own_streams import MADE_BY_US
from bridge.settings.schema import IntakeSettings, NatsSettings, SourceSettings
from eventstore.database import Connection as DatabaseConnection
from eventstore.events import Event

SUBJECT = "events.sources.happened"
TYPE = "io.quantum-suite.sources.happened.v1"


def event(number: int) -> Event:
    """An event that says its number."""
    return Event(id=str(number), source="/sources", type=TYPE, data=json.dumps(number).encode())


@dataclass
class Stream:
    """A stream on a server, and a plain client to do things to it."""

    client: Client
    nats: NatsSettings

    @property
    def name(self) -> str:
        """Its name on the server."""
        return self.nats.stream("EVENTS")

    async def create(self, **config: Any) -> None:
        """Make it, as ``migrate`` would: its messages are for the bridge."""
        made: dict[str, Any] = {
            "name": self.name,
            "subjects": [self.nats.subject("events.>")],
            "metadata": MADE_BY_US,
        }
        await self.client.jetstream().add_stream(StreamConfig(**{**made, **config}))

    async def delete(self) -> None:
        """Delete it."""
        await self.client.jetstream().delete_stream(self.name)

    async def publish(
        self,
        *numbers: int,
        headers: Mapping[str, str] | None = None,
        topic: str = SUBJECT,
        filling: int = 0,
    ) -> None:
        """Publish events, in order, each larger than it need be by some bytes."""
        extensions = {"filling": "x" * filling} if filling else {}
        for number in numbers:
            ours, payload = encode(replace(event(number), extensions=extensions))
            await self.client.jetstream().publish(
                self.nats.subject(topic), payload, headers={**ours, **(headers or {})}
            )

    async def consumers(self) -> list[str]:
        """The names of its consumers."""
        js, names = self.client.jetstream(), list[str]()
        # The list comes in pages.
        while page := await js.consumers_info(self.name, offset=len(names)):
            names += [each.name for each in page]
        return names


@dataclass
class Record:
    """What was taken from a stream, as intake would record it; shared by readers."""

    taken: list[tuple[datetime, int, int]] = field(default_factory=list)
    """Creation time of the stream, sequence, number of the event; in the order of recording."""
    arrived: dict[int, int | None] = field(default_factory=dict)
    """When the stream took each, by sequence."""
    starts: dict[datetime, StartingPoint] = field(default_factory=dict)
    """Where the source began, by the stream's creation time."""

    async def last_recorded(
        self, _source: SourceSettings, created: datetime
    ) -> LastRecorded | None:
        """The last recorded message."""
        start = self.starts.get(created)
        if start is None:
            return None
        mine = [each for each in self.taken if each[0] == created]
        if not mine:
            return LastRecorded(start.sequence - 1, None, start)
        _, sequence, _ = max(mine, key=lambda each: each[1])
        return LastRecorded(sequence, self.arrived[sequence], start)

    async def was_read(self, _source: SourceSettings) -> bool:
        """Whether anything was begun."""
        return bool(self.starts)

    async def begin(
        self,
        _source: SourceSettings,
        created: datetime,
        start: StartingPoint,
        _lease: Tenure,
    ) -> None:
        """Keep where it begins."""
        self.starts.setdefault(created, start)

    async def save_seen(
        self, _source: SourceSettings, _created: datetime, _through: int, _lease: Tenure
    ) -> None:
        """Not kept."""

    def add(self, delivery: Delivery) -> None:
        """Record a delivery."""
        number = json.loads(delivery.payload)["data"]
        self.arrived[delivery.sequence] = delivery.arrived_ns
        self.taken.append((delivery.stream_created, delivery.sequence, number))

    @property
    def numbers(self) -> list[int]:
        """Of the events, each where it was recorded first."""
        return list(dict.fromkeys(number for _, _, number in self.taken))


@dataclass(frozen=True)
class Term:
    """A leader's time in office that nobody ends."""

    epoch: int

    async def renew(self) -> None:
        """It is still held."""

    async def assert_held(self, connection: DatabaseConnection) -> None:
        """It is still held."""


class Reader:
    """A consumer that is asked again and again, as intake does."""

    def __init__(
        self,
        connection: NatsConnection,
        stream: Stream,
        record: Record,
        source: SourceSettings | None = None,
        **settings: int,
    ) -> None:
        self.record = record
        self.consumer = Consumer(
            connection,
            stream.nats,
            source or SourceSettings(),
            IntakeSettings(**{"batch": 10, **settings}),
            record,
        )

    async def fetch(self, epoch: int = 1) -> list[Delivery]:
        """One look, faults forgiven; nothing is recorded."""
        with suppress(NotConnected, SourceMissing):
            return list(await self.consumer.next(10, 0.5, Term(epoch)))
        return []

    async def read(self, until: Callable[[], bool], epoch: int = 1) -> None:
        """Take, record and acknowledge until the record is as wanted."""
        while not until():
            deliveries = await self.fetch(epoch)
            for delivery in deliveries:
                self.record.add(delivery)
            await self.consumer.ack(deliveries)

    async def reads(self, count: int, epoch: int = 1) -> None:
        """Take and record until so many different events are recorded."""
        await self.read(lambda: len(self.record.numbers) >= count, epoch)


@asynccontextmanager
async def connected(settings: NatsSettings) -> AsyncIterator[NatsConnection]:
    """The daemon's connection."""
    connection = NatsConnection(settings, "tests")
    await connection.start()
    try:
        yield connection
    finally:
        await connection.stop()


@asynccontextmanager
async def stream(settings: NatsSettings, **config: Any) -> AsyncIterator[Stream]:
    """A stream of the test's own, on its prefix."""
    client = await nats.connect(settings.url, connect_timeout=5)
    try:
        made = Stream(client, settings)
        await made.create(**config)
        yield made
    finally:
        await client.close()
