"""A backtest of routes over a million stored events, against reading and matching them by hand.

`routes.diff.one`: one of ten routes differs. The reference reads bare keyset pages, makes an event of each row, and
plans it by the ten routes. `routes.diff.all`: all ten differ, and each event is planned twice, by the reference too.
Each measurement takes the next part of the history.
"""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import count
from typing import Any

import asyncpg
import msgspec

from bridge.evaluation import Evaluator
from bridge.history.backtest.backtest import Backtest
from bridge.history.replay.selection import Selection
from bridge.routes.model import RoutesFile
from bridge.routes.table import RouteTable
from eventstore.database import Database
from eventstore.events import Event
from eventstore.filters import Filter
from eventstore.store import EventStore
from tests.benchmarks.harness import Context, Row, alternate

NAME = "routes.diff"

EVENTS = 1_000_000
PART = 100_000
_KINDS = 10
_FILL_PIECE = 50_000
_FILL = """
INSERT INTO events (stream, version, uid, emitted, type, digest, envelope, data)
SELECT 'order-' || n, 1, md5('event ' || n)::uuid, false, 'io.example.k' || n % 10 || '.happened.v1', sha256('x'),
       ('{"id":"id ' || n || '","source":"/benchmark","topic":"events.k' || n % 10 || '.happened"}')::json,
       convert_to('{"total":' || n % 100 || ',"customer":"c' || n % 1000 || '","text":"' || repeat('x', 250) || '"}', 'UTF8')
FROM generate_series($1::int, $1::int + $2::int - 1) AS n
"""
_PAGES = """
SELECT position, type, envelope, data FROM events WHERE position > $1 AND position <= $2
ORDER BY position LIMIT 1000
"""


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield both over one store."""
    async with context.migrated_database() as url:
        database = await Database.connect(url, deadline=60)
        for start in range(0, EVENTS, _FILL_PIECE):
            await database.execute(_FILL, start, _FILL_PIECE)
        await database.execute("ANALYZE events")
        raw = await asyncpg.connect(url)
        before = _table(())
        for name, changed, references in (
            ("one", _table((0,)), (before,)),
            ("all", _table(range(_KINDS)), (before, _table(range(_KINDS)))),
        ):
            yield await _row(name, database, raw, (before, changed), references)
        await raw.close()
        await database.close()


async def _row(
    name: str,
    database: Database,
    raw: asyncpg.Connection,
    tables: tuple[RouteTable, RouteTable],
    references: Sequence[RouteTable],
) -> Row:
    store = EventStore(database)
    ours, theirs = _parts(), _parts()
    compared = await alternate(
        lambda: _compared(store, *tables, next(ours)),
        lambda: _by_hand(raw, references, next(theirs)),
    )
    await store.aclose()
    return compared.row(
        f"{NAME}.{name}",
        unit="events/s",
        note=f"{PART} of {EVENTS} events at a time; reference: bare pages, made events, planned by "
        f"{len(references)} tables of {_KINDS} routes",
    )


def _parts() -> Iterator[int]:
    return (number * PART % EVENTS for number in count())


def _table(changed: Sequence[int]) -> RouteTable:
    routes = [
        {
            "name": f"r{number}",
            "from": f"events.k{number}.happened",
            "type": f"io.example.k{number}.happened.v1",
            "when": f"data.total >= {20 if number in changed else 10}",
            "start": {
                "workflow": "W",
                "task_queue": "q",
                "id": '"order/" + data.customer + "/" + event.id',
            },
        }
        for number in range(_KINDS)
    ]
    return RouteTable(RoutesFile.model_validate({"routes": routes}).routes)


async def _compared(
    store: EventStore, before: RouteTable, after: RouteTable, start: int
) -> float:
    began = time.perf_counter()
    async with Evaluator() as evaluator:
        backtest = Backtest(before, after, evaluator, max_hops=16)
        selection = Selection(where=Filter(), from_position=start + 1)
        await backtest.run(store, selection, start + PART)
    seconds = time.perf_counter() - began
    assert backtest.events == PART
    assert backtest.different == PART * len(backtest.compared) // _KINDS // 10
    return PART / seconds


async def _by_hand(raw: asyncpg.Connection, tables: Sequence[RouteTable], start: int) -> float:
    began = time.perf_counter()
    after = start
    events = planned = 0
    while found := await raw.fetch(_PAGES, after, start + PART):
        after = found[-1]["position"]
        events += len(found)
        for row in found:
            envelope = msgspec.json.decode(row["envelope"])
            topic = envelope["topic"]
            event = _event(row, envelope)
            planned += sum(len(table.plan(topic, event)) for table in tables)
    seconds = time.perf_counter() - began
    assert events == PART
    assert planned > 0
    return events / seconds


def _event(row: asyncpg.Record, envelope: dict[str, Any]) -> Event:
    return Event(
        id=envelope["id"], source=envelope["source"], type=row["type"], data=row["data"]
    )
