"""Appending, against hand-written statements on the same tables and indexes, without any check.

Both are given the same events and both write the same columns of them: what is worked out from an
event (uid, digest, the columns themselves) is worked out while the clock runs, by either in its own way.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha1, sha256
from uuid import UUID

import asyncpg
import msgspec

from eventstore.database import Database
from eventstore.events import UID_NAMESPACE, Event, NewEvent, Origin
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from tests.benchmarks.harness import Context, Row, alternate

NAME = "eventstore.append"

COLUMNS = (
    "stream, version, uid, emitted, type, correlation_id, correlation_uid, causation_uid, digest,"
    " envelope, data"
)
TYPES = [
    "text",
    "bigint",
    "uuid",
    "boolean",
    "text",
    "text",
    "uuid",
    "uuid",
    "bytea",
    "json",
    "bytea",
]
ONE = f"INSERT INTO events ({COLUMNS}) VALUES ({', '.join(f'${n + 1}' for n in range(len(TYPES)))}) RETURNING position"
MANY = f"INSERT INTO events ({COLUMNS}) SELECT * FROM unnest({', '.join(f'${n + 1}::{kind}[]' for n, kind in enumerate(TYPES))}) RETURNING position"


_NAMESPACE = UID_NAMESPACE.bytes


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


def row_of(new: NewEvent, stream: str, version: int) -> tuple[object, ...]:
    """The columns of an event as one would write them by hand, nothing checked."""
    event, extensions = new.event, new.event.extensions
    name = f"{event.source}\n{event.id}".encode()
    uid = UUID(bytes=sha1(_NAMESPACE + name, usedforsecurity=False).digest()[:16], version=5)
    body = b"\0" if event.data is None else b"\1" + msgspec.json.format(event.data, indent=-1)
    envelope: dict[str, object] = {"id": event.id, "source": event.source}
    for key in ("subject", "time", "datacontenttype", "dataschema"):
        if (value := getattr(event, key)) is not None:
            envelope[key] = value
    if extensions:
        envelope["extensions"] = extensions
    return (
        stream,
        version,
        uid,
        new.origin == Origin.EMITTED,
        event.type,
        new.correlation_id,
        new.correlation_uid,
        new.causation_uid,
        sha256(event.type.encode() + body).digest(),
        msgspec.json.encode(envelope).decode(),
        event.data,
    )


class Raw:
    """Statements as one would write them by hand, a connection a writer, versions counted in Python."""

    def __init__(self, connections: Sequence["asyncpg.Connection[asyncpg.Record]"]) -> None:
        self._connections = connections
        self._hot = itertools.count(1)
        self._hot_stream = f"hot-{secrets.token_hex(6)}"

    async def measure(self, shape: Shape) -> float:
        work = events_of(shape)
        started = time.perf_counter()
        await asyncio.gather(
            *[self._write(n, calls, shape.streams) for n, calls in enumerate(work)]
        )
        return shape.total / (time.perf_counter() - started)

    async def _write(self, writer: int, calls: list[list[NewEvent]], streams: str) -> None:
        connection = self._connections[writer]
        for events in calls:
            rows = self._rows(events, streams)
            if len(rows) == 1:
                await connection.fetch(ONE, *rows[0])
            else:
                await connection.fetch(MANY, *zip(*rows, strict=True))

    def _rows(self, events: list[NewEvent], streams: str) -> list[tuple[object, ...]]:
        if streams == "hot":
            return [row_of(new, self._hot_stream, next(self._hot)) for new in events]
        if streams == "spread":
            return [row_of(new, f"spread-{secrets.token_hex(6)}", 1) for new in events]
        own = f"own-{secrets.token_hex(6)}"
        return [row_of(new, own, version) for version, new in enumerate(events, start=1)]


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
