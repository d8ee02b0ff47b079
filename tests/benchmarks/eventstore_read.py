"""Reading everything: pages against bare keyset pages, the export against bare COPY, memory over a million."""

import resource
import time
from collections.abc import AsyncIterator

import asyncpg

from eventstore.database import Database
from eventstore.store import EventStore
from tests.benchmarks.harness import Context, Row, alternate, memory_row

NAME = "eventstore.read"

EVENTS = 60_000
MANY = 1_000_000
PAGE = 1000

COLUMNS = (
    "position, uid, stream, version, recorded_at, emitted, type, correlation_id, correlation_uid,"
    " causation_uid, envelope, data, removal"
)
PAGES = f"SELECT {COLUMNS} FROM events WHERE position > $1 ORDER BY position LIMIT {PAGE}"
COPY = "SELECT * FROM events ORDER BY position"

FILL = """
INSERT INTO events (stream, version, uid, emitted, type, digest, envelope, data)
SELECT 'order-' || n, 1, md5('event ' || n)::uuid, true, 'io.example.benchmark.happened.v1', sha256('x'),
       ('{"id":"id ' || n || '","source":"/benchmark","datacontenttype":"application/json"}')::json,
       convert_to('{"a":"' || repeat('x', $2 - 8) || '"}', 'UTF8')
FROM generate_series($1::int, $1::int + 19999) AS n
"""


async def fill(database: Database, events: int, size: int) -> None:
    for start in range(0, events, 20_000):
        await database.execute(FILL, start, size)
    await database.execute("ANALYZE events")


async def rows(context: Context) -> AsyncIterator[Row]:
    for size in (100, 1000):
        async with context.migrated_database() as url:
            database = await Database.connect(url, deadline=60)
            await fill(database, EVENTS, size)
            raw = await asyncpg.connect(url)
            store = EventStore(database)
            compared = await alternate(lambda: read(store), lambda: pages(raw))  # noqa: B023
            yield compared.row(
                f"{NAME}.all.{size}B",
                unit="events/s",
                note="reference: bare keyset pages, rows untouched",
            )
            compared = await alternate(lambda: export(store), lambda: copy(raw))  # noqa: B023
            yield compared.row(
                f"{NAME}.export.{size}B", unit="events/s", note="reference: bare COPY"
            )
            await raw.close()
            await database.close()
    async with context.migrated_database() as url:
        database = await Database.connect(url, deadline=60)
        await fill(database, MANY, 100)
        grown, first = await memory(EventStore(database))
        await database.close()
    note = "peak after a million events; reference: after the first 50,000"
    yield memory_row(NAME, grown, first, note=note)


async def read(store: EventStore) -> float:
    started = time.perf_counter()
    count = 0
    async for _ in store.read_all():
        count += 1
    return count / (time.perf_counter() - started)


async def pages(raw: "asyncpg.Connection[asyncpg.Record]") -> float:
    started = time.perf_counter()
    after = count = 0
    while found := await raw.fetch(PAGES, after):
        after = found[-1]["position"]
        count += len(found)
    return count / (time.perf_counter() - started)


async def export(store: EventStore) -> float:
    async def sink(_: bytes) -> None:
        pass

    started = time.perf_counter()
    count = await store.export(sink)
    return count / (time.perf_counter() - started)


async def copy(raw: "asyncpg.Connection[asyncpg.Record]") -> float:
    async def sink(_: bytes) -> None:
        pass

    started = time.perf_counter()
    tag = await raw.copy_from_query(COPY, output=sink, format="binary")
    return int(tag.split()[1]) / (time.perf_counter() - started)


async def memory(store: EventStore) -> tuple[float, float]:
    """Peak memory of this process in MB, after all events and after the first of them."""
    count, first = 0, 0.0
    async for _ in store.read_all():
        count += 1
        if count == MANY // 20:
            first = peak()
    return peak(), first


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
