"""Indexes that an operator adds: built while appends go on, used by filters, mended after a kill."""

import asyncio
import json

import asyncpg
import pytest

from eventstore.database import Database
from eventstore.errors import IndexRefused
from eventstore.filters import Filter
from eventstore.indexes import SEARCHABLE, Indexes
from eventstore.paging import PAGE_BYTES, walk_for
from eventstore.store import EventStore
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_events

pytestmark = pytest.mark.slow

FILL = """
INSERT INTO events (stream, version, uid, emitted, type, digest, envelope)
SELECT 'order' || n % 500 || '-' || n, 1, gen_random_uuid(), true, 'a.v1', sha256('x'), json_build_object(
    'id', n::text, 'source', '/source/' || n % 500, 'subject', 'subject ' || n % 500,
    'topic', 'topic.' || n % 500, 'tenant', 'tenant ' || n % 500,
    'extensions', json_build_object('causationid', 'id ' || n % 500))
FROM generate_series(1, 20000) AS n
"""

FILTERS = {
    "source": Filter(source="/source/7"),
    "subject": Filter(subject="subject 7"),
    "topic": Filter(topic="topic.7"),
    "tenant": Filter(tenant="tenant 7"),
    "category": Filter(category="order7"),
    "causation-id": Filter(causation_id="id 7"),
}


async def plan_of(database: Database, where: Filter) -> str:
    walk = walk_for(where, "backward")
    async with database.connection() as connection:
        rows = await connection.fetch_planned(
            f"EXPLAIN (FORMAT JSON) {walk.statement}",
            *(0, 20_000, 20, PAGE_BYTES),
            *walk.arguments,
            None,
        )
    return json.dumps(json.loads(rows[0][0]))


async def test_filters_use_the_index_of_each_attribute(
    store: EventStore, database: Database, store_url: str
) -> None:
    await database.execute(FILL)
    indexes = Indexes(store_url)
    assert FILTERS.keys() == SEARCHABLE.keys()
    for what, where in FILTERS.items():
        index, is_new = await indexes.add(what)
        assert (index.of, index.state, is_new) == (what, "valid", True)
        assert not (await indexes.add(what))[1]
        await database.execute("ANALYZE events")
        assert index.name in await plan_of(database, where)
        found = [stored.position async for stored in store.read_all(where=where)]
        assert found == list(range(7, 20_001, 500))
    assert [each.of for each in await indexes.all()] == sorted(SEARCHABLE)
    for what in SEARCHABLE:
        assert await indexes.drop(what)
    assert not await indexes.drop("subject")
    assert await indexes.all() == []


async def test_an_expression_of_one_s_own(store: EventStore, store_url: str) -> None:
    await store.append("a-1", new_events(3))
    indexes = Indexes(store_url)
    expression = "envelope -> 'extensions' ->> 'orderid'"
    index, _ = await indexes.add(expression)
    assert (index.of, index.state) == (expression, "valid")
    for wrong in ("nothing", "random()", "1); DROP TABLE leases; --"):
        with pytest.raises(IndexRefused, match="cannot be indexed"):
            await indexes.add(wrong)
    assert [each.of for each in await indexes.all()] == [expression]
    assert await indexes.drop(index.name)


async def test_a_build_that_was_killed_is_shown_and_mended(
    store: EventStore, database: Database, store_url: str
) -> None:
    await store.append("a-1", new_events(3))
    indexes = Indexes(store_url)
    writer = await asyncpg.connect(store_url)
    try:
        await writer.execute("BEGIN; LOCK TABLE events IN ROW EXCLUSIVE MODE")
        build = asyncio.create_task(indexes.add("subject"))

        async def building() -> bool:
            return [each.state for each in await indexes.all()] == ["building"]

        await eventually(building)
        with pytest.raises(IndexRefused, match="being built by another session"):
            await indexes.add("subject")
        await store.append("a-1", new_events(1))  # which a build does not hold up
        await database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index"
        )
        with pytest.raises(Exception, match=r"terminat|clos|connection"):
            await build
    finally:
        await writer.close()
    (left,) = await indexes.all()
    assert (left.of, left.state) == ("subject", "invalid")
    index, is_new = await indexes.add("subject")
    assert (index.state, is_new) == ("valid", True)
