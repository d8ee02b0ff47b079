"""A source that only counts what no route wants: each message once, and each has an answer."""

from datetime import UTC, datetime

import pytest

from bridge.history.verify.events import EventsCheck
from bridge.history.verify.findings import Counts, VerifyScope
from bridge.inspect.message_answers import message_answers
from bridge.jetstream.connection import NatsConnection
from bridge.routes.model import RoutesFile
from bridge.routes.table import RouteTable
from bridge.settings.schema import RetentionSettings, SourceSettings
from bridge.sources import Sources
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support.intakes import intake
from tests.support.sources import Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

SOURCE = SourceSettings.model_validate({"decode": "json", "unmatched": "count"})
ROUTE = {
    "name": "paid",
    "from": "events.orders.*",
    "when": "data.paid",
    "start": {"workflow": "W", "task_queue": "q"},
}
TABLE = RouteTable(
    RoutesFile.model_validate({"routes": [ROUTE]}).routes, sources=Sources([SOURCE])
)


async def publish(
    stream: Stream, *payloads: bytes, topic: str = "events.orders.created"
) -> None:
    for payload in payloads:
        await stream.client.jetstream().publish(stream.nats.subject(topic), payload)


async def through(database: Database, sequence: int) -> None:
    async def is_recorded() -> bool:
        reached = await database.fetchval("select max(sequence) from source_progress")
        return bool(reached == sequence)

    await eventually(is_recorded)


async def counted(database: Database) -> list[tuple[str, str, int, int, int]]:
    rows = await database.fetch("select * from counted_messages order by first")
    return [
        (row["subject"], row["type"], row["messages"], row["first"], row["through"])
        for row in rows
    ]


async def ranges(database: Database) -> list[tuple[int, int]]:
    rows = await database.fetch("select first, through from counted_ranges order by first")
    return [(row["first"], row["through"]) for row in rows]


async def test_a_message_that_no_route_wants_is_counted_once_and_has_an_answer(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    wanted, unwanted = b'{"paid": true}', b'{"paid": false}'
    await publish(stream, unwanted, unwanted, wanted, unwanted, b"no JSON", unwanted)
    async with intake(connection, stream, database, SOURCE, routes=TABLE, batch=2):
        await through(database, 6)
    async with intake(connection, stream, database, SOURCE, routes=TABLE, owner="two"):
        await publish(stream, unwanted, topic="events.orders.paid")
        await through(database, 7)
    prefix = "dev.ntbridge.events.orders"
    expected = [
        ("events.orders.created", f"{prefix}.created", 4, 1, 6),
        ("events.orders.paid", f"{prefix}.paid", 1, 7, 7),
    ]
    assert await counted(database) == expected
    assert await ranges(database) == [(1, 2), (4, 4), (6, 7)]
    rows = await database.fetch("select sequence, verdict from deliveries order by sequence")
    assert [tuple(row) for row in rows] == [(3, "matched"), (5, "set-aside")]
    assert await database.fetchval("select count(*) from events") == 1
    # Another reading of the whole stream counts nothing twice.
    await database.execute("delete from source_progress")
    async with intake(connection, stream, database, SOURCE, routes=TABLE, owner="three"):
        await through(database, 7)
    assert await counted(database) == expected
    assert await ranges(database) == [(1, 2), (4, 4), (6, 7)]
    answers = {
        sequence: [each.answer for each in await message_answers(database, "EVENTS", sequence)]
        for sequence in (1, 3, 5, 7, 8)
    }
    assert answers == {
        1: ["counted"],
        3: ["matched"],
        5: ["set-aside"],
        7: ["counted"],
        8: [],
    }
    (first,) = await message_answers(database, "EVENTS", 1)
    assert "counted, no route wanted it" in first.meaning
    store = EventStore(database)
    check = EventsCheck(
        await connection.client(1),
        stream.nats,
        database,
        store,
        RetentionSettings(),
        VerifyScope(after=0, through=10**6, now=datetime.now(UTC), grace=0),
        Counts(lambda _: None),
        TABLE.sources,
    )
    assert [each async for each in check.recorded(SOURCE)] == []
    await store.aclose()


async def test_another_message_at_the_place_of_a_counted_one_is_counted(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    await publish(stream, b"{}", b'{"paid": false}')
    none = RouteTable((), sources=Sources([SOURCE]))
    async with intake(connection, stream, database, SOURCE, routes=none):
        await through(database, 2)
    # As if the stream had lost its last message in a crash, and taken another in its place.
    await database.execute("update counted_ranges set through_ns = through_ns - 1000000000000")
    await database.execute("delete from source_progress")
    async with intake(connection, stream, database, SOURCE, routes=none):
        await through(database, 2)
    assert [each[2] for each in await counted(database)] == [4]
