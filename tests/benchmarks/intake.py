"""Intake alone: events that match nothing, against a loop written by hand; and its memory.

The loop fetches with nats-py, decodes with a bare JSON decoder, inserts the very same rows by
``unnest`` in one transaction a batch, and acknowledges: what one would write in an afternoon,
without dead letters, conflicts, order over restarts or leases.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import nats
import psutil
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from bridge.daemon.setup import prepare
from bridge.dispatch.dispatchers import Windows
from bridge.dispatch.handover import Fresh
from bridge.evaluation import Evaluator
from bridge.intake.consumer import Consumer
from bridge.intake.decision import Judge
from bridge.intake.pipeline import Intake
from bridge.intake.progress import SourceProgress
from bridge.intake.recorder import Recorder
from bridge.jetstream.connection import NatsConnection
from bridge.lifecycle.leadership import Leadership
from bridge.operations.base import Backlog
from bridge.routes.table import RouteTable
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin
from eventstore.leases import Leases
from eventstore.rows import encode
from eventstore.store import EventStore
from tests.benchmarks.eventstore_append import MANY
from tests.benchmarks.harness import Context, Row, alternate
from tests.support.backlog import Ground, event
from tests.support.waiting import eventually

NAME = "intake"

COUNT = 20_000
MEMORY_COUNT = 1_000_000
_BATCH = 256
_CHUNK = 50_000


class _Nowhere:
    """Takes what is planned and does nothing with it."""

    backlog = Backlog(0, 0)

    def window(self) -> Windows:
        """Nothing is taken."""
        return {}

    def hand_over(
        self,
        windows: Windows,
        planned: int,
        fresh: Sequence[Fresh],
        partitions: Collection[int],
    ) -> None:
        """Ignore it."""


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield the rate of intake, and how its memory stands after very many events."""
    compared = await alternate(lambda: _rate(context, _ours), lambda: _rate(context, _by_hand))
    yield compared.row("intake.alone", unit="events/s", note=f"{COUNT} events, 256 in a batch")
    yield await _memory(context)


Taker = Callable[[Ground], Awaitable[float]]
"""Takes in a backlog, from connecting on, and returns when all of it was recorded: what closing takes is no part
of a rate (the intake may wait for half a second before it looks whether it should stop)."""


async def _rate(context: Context, take: Taker) -> float:
    """Publish a backlog and let it be taken in; return events a second."""
    async with context.database() as url:
        ground = _ground(context, url)
        await prepare(ground.settings)
        await ground.publish([event(n, ground.prefix) for n in range(COUNT)])
        began = time.perf_counter()
        return COUNT / (await take(ground) - began)


async def _ours(ground: Ground) -> float:
    async with _intake(ground) as database:
        await _recorded(database, COUNT)
        return time.perf_counter()


async def _by_hand(ground: Ground) -> float:
    connection = await asyncpg.connect(ground.database_url)
    client = await nats.connect(ground.addresses.nats_url)
    try:
        stream = ground.settings.nats.stream("EVENTS")
        js = client.jetstream()
        await js.add_consumer(
            stream, ConsumerConfig(durable_name="by-hand", ack_policy=AckPolicy.EXPLICIT)
        )
        subscription = await js.pull_subscribe_bind("by-hand", stream)
        created = (await js.stream_info(stream)).created
        taken = 0
        while taken < COUNT:
            messages = await subscription.fetch(_BATCH, timeout=1)
            async with connection.transaction():
                await connection.execute(MANY, *_event_columns(messages))
                await connection.execute(
                    STATEMENTS["insert_deliveries"],
                    *_delivery_columns(messages),
                    *("EVENTS", created, "by-hand", messages[-1].metadata.sequence.stream, 0),
                )
            for message in messages:
                await message.ack()
            taken += len(messages)
        return time.perf_counter()
    finally:
        await client.close()
        await connection.close()


async def _memory(context: Context) -> Row:
    """Take in very many events that match nothing; compare memory at the end and early on."""
    process = psutil.Process()
    async with context.database() as url:
        ground = _ground(context, url)
        await prepare(ground.settings)
        async with _intake(ground) as database:
            early = 0
            for start in range(0, MEMORY_COUNT, _CHUNK):
                chunk = [event(n, ground.prefix) for n in range(start, start + _CHUNK)]
                await ground.publish(chunk)
                await _recorded(database, start + _CHUNK)
                del chunk
                if start == _CHUNK:
                    early = process.memory_info().rss
        late = process.memory_info().rss
    return Row(
        name="intake.memory",
        ours=late / 2**20,
        reference=early / 2**20,
        ratio=late / early,
        unit="MiB",
        pairs=1,
        note=f"resident after {MEMORY_COUNT} unmatched events, against after {2 * _CHUNK}",
    )


def _ground(context: Context, url: str) -> Ground:
    return Ground(
        addresses=context.addresses,
        database_url=url,
        temporal_address=context.addresses.temporal_address,
    )


@asynccontextmanager
async def _intake(ground: Ground) -> AsyncIterator[Database]:
    settings = ground.settings
    database = await Database.connect(settings.database.url)
    store = EventStore(database)
    connection = NatsConnection(settings.nats, "bench")
    recorder = Recorder(database, store)
    source = settings.intake.sources[0]
    evaluator = Evaluator()
    intake = Intake(
        Consumer(connection, settings.nats, source, settings.intake, SourceProgress(database)),
        recorder,
        Leadership(Leases(database), f"source/{source.name}", "bench"),
        Judge(evaluator, lambda: RouteTable(()), settings.intake.max_hops),
        settings.intake,
        _Nowhere(),
    )
    await connection.start()
    await intake.start()
    try:
        yield database
    finally:
        await intake.stop()
        await evaluator.close()
        await connection.stop()
        await store.aclose()
        await database.close()


async def _recorded(database: Database, expected: int) -> None:
    async def all_of_them() -> bool:
        count = await database.fetchval("select max(sequence) from source_progress")
        return bool(count and count >= expected)

    await eventually(all_of_them, within=600, what=f"{expected} events recorded")


def _event_columns(messages: Sequence[Msg]) -> list[list[Any]]:
    members = [msgspec.json.decode(message.data) for message in messages]
    rows = [
        encode(
            NewEvent(
                event=Event(
                    id=each["id"],
                    source=each["source"],
                    type=each["type"],
                    data=msgspec.json.encode(each["data"]),
                ),
                origin=Origin.RECEIVED,
                topic=message.subject,
            )
        )
        for each, message in zip(members, messages, strict=True)
    ]
    streams = [f"load-{each['id']}" for each in members]
    return [streams, [1] * len(rows), *([list(column) for column in zip(*rows, strict=True)])]


def _delivery_columns(messages: Sequence[Msg]) -> list[list[Any]]:
    return [
        [message.metadata.sequence.stream for message in messages],
        [message.subject for message in messages],
        ["unmatched"] * len(messages),
        [None] * len(messages),
    ]
