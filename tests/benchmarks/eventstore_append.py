"""Appending, against hand-written statements on the same tables and indexes, without any check."""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import asyncpg

from eventstore.appending import StreamAppend
from eventstore.database import Database
from eventstore.events import Event, NewEvent
from eventstore.rows import EventRow, encode
from eventstore.store import EventStore
from tests.benchmarks.harness import Context, Row, alternate

NAME = "eventstore.append"

COLUMNS = (
    "stream, version, uid, origin, id, source, type, subject, time, datacontenttype, dataschema, data,"
    " traceparent, tracestate, extensions, digest, topic, correlation_id, correlation_uid,"
    " causation_id, causation_uid, tenant, schema_version"
)
TYPES = [
    "text",
    "bigint",
    "uuid",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "text",
    "bytea",
    "text",
    "text",
    "jsonb",
    "bytea",
    "text",
    "text",
    "uuid",
    "text",
    "uuid",
    "text",
    "integer",
]
ONE = f"INSERT INTO events ({COLUMNS}) VALUES ({', '.join(f'${n + 1}' for n in range(len(TYPES)))}) RETURNING position"
MANY = f"INSERT INTO events ({COLUMNS}) SELECT * FROM unnest({', '.join(f'${n + 1}::{kind}[]' for n, kind in enumerate(TYPES))}) RETURNING position"


@dataclass(frozen=True)
class Shape:
    """How a measurement appends.

    Attributes:
        writers: at the same time.
        batch: events a call.
        calls: of each writer.
        size: of an event's data, in bytes.
        streams: ``own``: each call a stream of its own; ``spread``: each event; ``hot``: one for all.
    """

    writers: int
    batch: int
    calls: int
    size: int
    streams: str = "own"

    @property
    def name(self) -> str:
        suffix = "" if self.streams == "own" else f".{self.streams}"
        return f"{self.writers}x{self.batch}{suffix}.{self.size}B"

    @property
    def total(self) -> int:
        return self.writers * self.batch * self.calls


SHAPES = [
    shape
    for size in (100, 1000)
    for shape in (
        Shape(1, 1, 600, size),
        Shape(1, 100, 60, size),
        Shape(8, 1, 300, size),
        Shape(8, 100, 16, size),
        Shape(1, 100, 60, size, "spread"),
        Shape(8, 100, 16, size, "spread"),
        Shape(1, 1, 600, size, "hot"),
        Shape(8, 1, 300, size, "hot"),
        Shape(8, 100, 16, size, "hot"),
    )
]


def event(size: int) -> NewEvent:
    data = b'{"a":"%s"}' % (b"x" * (size - 8))
    envelope = Event(
        id=secrets.token_hex(12),
        source="/benchmark",
        type="io.example.benchmark.happened.v1",
        datacontenttype="application/json",
        data=data,
    )
    return NewEvent(event=envelope)


def events_of(shape: Shape) -> list[list[list[NewEvent]]]:
    """For each writer, for each call, its events: made before the clock starts."""
    return [
        [[event(shape.size) for _ in range(shape.batch)] for _ in range(shape.calls)]
        for _ in range(shape.writers)
    ]


class Raw:
    """Statements as one would write them by hand, a connection a writer, versions counted in Python."""

    def __init__(self, connections: Sequence["asyncpg.Connection[asyncpg.Record]"]) -> None:
        self._connections = connections
        self._hot = itertools.count(1)
        self._hot_stream = f"hot-{secrets.token_hex(6)}"

    async def measure(self, shape: Shape) -> float:
        work = [
            [self._arguments([encode(new) for new in call], shape) for call in mine]
            for mine in events_of(shape)
        ]
        started = time.perf_counter()
        await asyncio.gather(*[self._write(n, calls) for n, calls in enumerate(work)])
        return shape.total / (time.perf_counter() - started)

    def _arguments(self, rows: list[EventRow], shape: Shape) -> list[object]:
        own = f"own-{secrets.token_hex(6)}"
        placed: list[tuple[object, ...]] = []
        for version, row in enumerate(rows, start=1):
            if shape.streams == "hot":
                placed.append((self._hot_stream, next(self._hot), *row))
            elif shape.streams == "spread":
                placed.append((f"spread-{secrets.token_hex(6)}", 1, *row))
            else:
                placed.append((own, version, *row))
        return list(placed[0]) if len(placed) == 1 else list(zip(*placed, strict=True))

    async def _write(self, writer: int, calls: list[list[object]]) -> None:
        connection = self._connections[writer]
        for arguments in calls:
            sql = MANY if isinstance(arguments[0], tuple) else ONE
            await connection.fetch(sql, *arguments)


class Ours:
    """The same through the store."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._hot_stream = f"hot-{secrets.token_hex(6)}"

    async def measure(self, shape: Shape) -> float:
        work = events_of(shape)
        started = time.perf_counter()
        await asyncio.gather(*[self._write(calls, shape) for calls in work])
        return shape.total / (time.perf_counter() - started)

    async def _write(self, calls: list[list[NewEvent]], shape: Shape) -> None:
        for events in calls:
            if shape.streams == "spread":
                await self._store.append_many(
                    [StreamAppend(f"spread-{secrets.token_hex(6)}", [one]) for one in events]
                )
            elif shape.streams == "hot":
                await self._store.append(self._hot_stream, events)
            else:
                await self._store.append(f"own-{secrets.token_hex(6)}", events)


async def rows(context: Context) -> AsyncIterator[Row]:
    for shape in SHAPES:
        async with context.migrated_database() as url, AsyncExitStack() as stack:
            database = await Database.connect(url)
            stack.push_async_callback(database.close)
            connections = []
            for _ in range(shape.writers):
                connections.append(await asyncpg.connect(url))
                stack.push_async_callback(connections[-1].close)
            ours, raw = Ours(EventStore(database)), Raw(connections)
            compared = await alternate(
                lambda ours=ours, shape=shape: ours.measure(shape),  # type: ignore[misc]
                lambda raw=raw, shape=shape: raw.measure(shape),  # type: ignore[misc]
            )
        yield compared.row(
            f"{NAME}.{shape.name}", unit="events/s", note="reference: bare INSERTs, no checks"
        )
