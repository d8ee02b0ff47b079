"""A read is served by an index, or reads the rows between two positions: a page touches few blocks."""

import json
from datetime import datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest

from eventstore.appending import STATEMENTS
from eventstore.database import Database
from eventstore.events import Origin, uid
from eventstore.filters import Filter
from eventstore.paging import NARROW, PAGE_BYTES, Direction, Windows, walk_for
from tests.support.statements import rows_read

pytestmark = pytest.mark.slow

ROWS = 60_000
PAGE = 20

MANY_BLOCKS = 300
"""The table has some 4,000; a page that is served by an index touches a few for each of its rows."""

# Written by the owner in one statement: appends have tests of their own.
FILL = f"""
INSERT INTO events (stream, version, uid, emitted, type, data, digest, envelope,
                    correlation_id, correlation_uid, causation_uid)
SELECT CASE WHEN n % 3 = 0 THEN 'hot-1' ELSE 'order' || (n % 50) || '-' || n END,
       CASE WHEN n % 3 = 0 THEN n / 3 + 1 ELSE 1 END,
       md5('event ' || n)::uuid, n % 1000 = 0, 'io.example.kind' || (n % 400) || '.v1',
       '\\x00', sha256('x'),
       json_strip_nulls(json_build_object(
           'id', 'id ' || n, 'source', '/source/' || n % 300, 'subject', 'subject ' || n % 5000,
           'topic', 'events.topic.' || n % 100,
           'tenant', CASE WHEN n % 50 = 0 THEN 'tenant ' || n % 9 END)),
       CASE WHEN n % 10 > 0 THEN 'chain ' || n / 10 END,
       CASE WHEN n % 10 > 0 THEN md5('event ' || (n / 10) * 10)::uuid END,
       CASE WHEN n % 10 > 0 THEN md5('event ' || (n / 10) * 10)::uuid END
FROM generate_series(0, {ROWS - 1}) AS n
"""

FIRST = UUID("d1e7c50a-0000-0000-0000-000000000000")

INDEXED = {
    "everything": Filter(),
    "type": Filter(type="io.example.kind77.v1"),
    "type, none": Filter(type="no.such.type"),
    "prefix, few": Filter(type_prefix="io.example.kind39"),
    "prefix, none": Filter(type_prefix="zz"),
    "stream, hot": Filter(stream="hot-1"),
    "stream, short": Filter(stream="order1-1"),
    "correlation id": Filter(correlation_id="chain 5000"),
    "correlation uid": Filter(correlation_uid=UUID("c0ffee00-0000-0000-0000-000000000000")),
    "causation uid": Filter(causation_uid=uid("/none", "x")),
    "origin, rare": Filter(origin=Origin.EMITTED),
    "origin, frequent": Filter(origin=Origin.RECEIVED),
}
"""What an index serves, wherever a page begins."""

SCANNED = {
    "category": Filter(category="order7"),
    "category, none": Filter(category="nothing"),
    "source": Filter(source="/source/123"),
    "subject": Filter(subject="subject 4321"),
    "topic": Filter(topic="events.topic.55"),
    "tenant": Filter(tenant="tenant 4"),
    "causation id": Filter(causation_id="id 5000"),
}
"""What no index serves unless an operator adds one: the rows between two positions are read."""


@pytest.fixture
async def large(database: Database) -> Database:
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL statement_timeout = '60s'")
        await connection.raw.execute(FILL, timeout=60)
    await database.execute("VACUUM ANALYZE events")
    return database


async def blocks(database: Database, sql: str, *arguments: object) -> tuple[int, str]:
    """How many blocks a statement touches, and its plan."""
    async with database.connection() as connection:
        rows = await connection.fetch_planned(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON, TIMING off) {sql}", *arguments
        )
    plan = json.loads(rows[0][0])[0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], json.dumps(plan)


async def test_every_read_is_served_by_an_index_or_bounded_by_positions(
    large: Database,
) -> None:
    await pages(large)
    await scans(large)
    await narrow_ranges(large)
    await look_ups(large)
    await time_ranges(large)
    await counts(large)


async def pages(large: Database) -> None:
    directions: tuple[Direction, ...] = ("forward", "backward")
    for name, where in INDEXED.items():
        for direction in directions:
            walk = walk_for(where, direction, [FIRST])
            for after, through in ((0, ROWS), (ROWS // 2, ROWS), (ROWS - 100, ROWS)):
                touched, plan = await blocks(
                    large,
                    walk.statement,
                    after,
                    through,
                    PAGE,
                    PAGE_BYTES,
                    *walk.arguments,
                    None,
                )
                # Hopping over the types with a prefix costs a few blocks for each type.
                most = MANY_BLOCKS * (2 if where.type_prefix else 1)
                assert touched < most, (name, direction, after, touched, plan)
                assert "Seq Scan" not in plan, (name, direction, plan)


async def scans(large: Database) -> None:
    directions: tuple[Direction, ...] = ("forward", "backward")
    for name, where in SCANNED.items():
        for direction in directions:
            walk = walk_for(where, direction)
            for after, through in ((0, 1000), (ROWS // 2, ROWS // 2 + 1000)):
                touched, plan = await blocks(
                    large,
                    walk.statement,
                    after,
                    through,
                    PAGE,
                    PAGE_BYTES,
                    *walk.arguments,
                    None,
                )
                assert touched < MANY_BLOCKS, (name, direction, after, touched, plan)
                assert "Seq Scan" not in plan, (name, direction, plan)
            assert walk.filtered
            whole = Windows(walk, 0, ROWS * 1000).current
            assert whole[1] - whole[0] < ROWS, "one statement reads a part of the range"


async def narrow_ranges(large: Database) -> None:
    """These are not planned for their arguments."""
    for name, where in (INDEXED | SCANNED).items():
        for direction in get_args(Direction):
            walk = walk_for(where, direction, [FIRST])
            if walk.filtered:
                read = await read_by_any_plan(
                    large,
                    walk.statement,
                    ROWS - NARROW,
                    ROWS,
                    PAGE,
                    PAGE_BYTES,
                    *walk.arguments,
                    None,
                )
                assert read <= NARROW, (name, direction, read)


async def read_by_any_plan(database: Database, sql: str, *arguments: object) -> int:
    """How many rows of the log a statement reads with one plan for any arguments."""
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        before = await rows_read(connection, "events")
        await connection.fetch(sql, *arguments)
        return await rows_read(connection, "events") - before


async def look_ups(large: Database) -> None:
    for statement, arguments in {
        "get_many": ([uid("/s", "1"), uid("/s", "2")],),
        "stored_among": ([uid("/s", "1")],),
        "head": (),
        "stream_version": ("hot-1",),
        "version_at": ("hot-1", ROWS // 2, None),
    }.items():
        touched, plan = await blocks(large, STATEMENTS[statement], *arguments)
        assert touched < MANY_BLOCKS, (statement, touched, plan)


async def time_ranges(large: Database) -> None:
    first: datetime = await large.fetchval("SELECT min(recorded_at) FROM events")
    last: datetime = await large.fetchval("SELECT max(recorded_at) FROM events")
    middle = first + (last - first) / 2
    for since, until in (
        (first, None),
        (None, last),
        (first, last),
        (middle, None),
        (None, middle),
        (last - timedelta(milliseconds=1), None),
        (last + timedelta(days=1), None),
    ):
        touched, plan = await blocks(large, STATEMENTS["positions_between"], since, until)
        assert touched < MANY_BLOCKS, (since, until, touched, plan)


async def counts(large: Database) -> None:
    for name in ("type", "correlation id", "correlation uid", "origin, rare"):
        where = INDEXED[name]
        touched, plan = await blocks(
            large, STATEMENTS["count"], 0, ROWS, *where.arguments([FIRST])
        )
        assert "Seq Scan" not in plan, (name, touched, plan)


async def test_statements_that_are_planned_for_their_arguments_are_not_kept(
    database: Database,
) -> None:
    walk = walk_for(Filter(origin=Origin.EMITTED), "forward")
    arguments = (0, 1000, PAGE, PAGE_BYTES, *walk.arguments, None)
    count = "SELECT count(*) FROM pg_prepared_statements"
    async with database.connection() as connection:
        await connection.fetch(walk.statement, *arguments)  # as for a narrow range
        before = await connection.fetchval(count)
        for _ in range(20):
            await connection.fetch_planned(walk.statement, *arguments)
        assert await connection.fetchval(count) <= before + 1
