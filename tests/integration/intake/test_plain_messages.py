"""A stream of messages that are not CloudEvents, with not a line of its publisher changed."""

import pytest
from nats.js.api import StreamConfig

from bridge.dead_letters.store import DeadLetters, LetterFilter
from bridge.evaluation import Evaluator
from bridge.history.redrive import Redriver
from bridge.jetstream.connection import NatsConnection
from bridge.relay.late import LateRelay
from bridge.routes.table import RouteTable
from bridge.settings.schema import NatsSettings, SourceSettings
from bridge.sources import Sources
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support import sources
from tests.support.intakes import intake
from tests.support.sources import Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

PLAIN = SourceSettings.model_validate(
    {"decode": "json", "event": {"subject": "data.order"}, "subject": "events.orders.*"}
)
UNSAID = SourceSettings(subject="events.orders.*")


def table(source: SourceSettings) -> RouteTable:
    return RouteTable((), sources=Sources([source]))


async def publish(stream: Stream, *payloads: bytes) -> None:
    subject = stream.nats.subject("events.orders.created")
    for payload in payloads:
        await stream.client.jetstream().publish(subject, payload)


async def ids(database: Database) -> dict[str, str]:
    rows = await database.fetch("select id, subject from event_attributes order by position")
    return {row["subject"]: row["id"] for row in rows}


async def verdicts(database: Database) -> list[str]:
    rows = await database.fetch("select verdict from deliveries order by sequence")
    return [row["verdict"] for row in rows]


async def test_a_message_is_the_same_event_by_delivery_redrive_and_another_reading(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    # Before the source says what its messages are, each is a dead letter.
    async with intake(connection, stream, database, UNSAID, routes=table(UNSAID)):
        await publish(stream, b'{"order": "a"}', b"no JSON")

        async def both_kept() -> bool:
            return await verdicts(database) == ["set-aside", "set-aside"]

        await eventually(both_kept)
    # Then it says so; what came before is redriven.
    async with intake(connection, stream, database, PLAIN, routes=table(PLAIN)):
        await publish(stream, b'{"order": "b"}')

        async def is_recorded() -> bool:
            return list(await ids(database)) == ["b"]

        await eventually(is_recorded)
    store = EventStore(database)
    letters = sorted(each.id for each in await DeadLetters(database).find(LetterFilter(), 10))
    async with Evaluator() as evaluator:
        late = LateRelay(database, store, stream.nats)
        redriver = Redriver(
            database, store, table(PLAIN), evaluator, max_hops=16, late=late, who="tester"
        )
        redriven = [await redriver.redrive(letter) for letter in letters]
    assert [each.outcome for each in redriven] == ["redriven", "left-open"]
    assert "the message is not JSON" in redriven[1].detail
    found = await ids(database)
    js = stream.client.jetstream()
    for order, sequence in {"a": 1, "b": 3}.items():
        assert found[order].startswith(f"{sequence}-")
        assert (
            await js.get_msg(stream.name, sequence)
        ).data == b'{"order": "%s"}' % order.encode()
    # Another reading of the stream, as after a restore, finds the same events.
    await database.execute("delete from source_progress")
    await database.execute("delete from deliveries")
    async with intake(connection, stream, database, PLAIN, routes=table(PLAIN)):

        async def read_again() -> bool:
            return await verdicts(database) == ["repeat", "set-aside", "repeat"]

        await eventually(read_again)
    assert await ids(database) == found
    await store.aclose()


async def test_each_change_of_a_key_and_each_firing_of_a_schedule_is_an_event(
    connection: NatsConnection, settings: NatsSettings, database: Database
) -> None:
    bucket = f"config_{settings.prefix}"
    source = SourceSettings.model_validate(
        {"stream": f"KV_{bucket}", "decode": "json", "start_from": "all"}
    )
    key = f"$KV.{bucket}.shop.limit"
    async with sources.stream(settings) as unused:
        js = unused.client.jetstream()
        await js.add_stream(
            StreamConfig(
                name=source.stream,
                subjects=[f"$KV.{bucket}.>"],
                allow_rollup_hdrs=True,
                allow_msg_ttl=True,
                allow_msg_schedules=True,
                max_msgs_per_subject=64,
                subject_delete_marker_ttl=5.0,
            )
        )
        try:
            store = await js.key_value(bucket)
            await store.put("shop.limit", b'{"max": 3}')
            await store.delete("shop.limit")
            await store.put("shop.limit", b'{"max": 4}')
            await store.purge("shop.limit")
            await js.publish(f"$KV.{bucket}.brief", b'{"max": 5}', headers={"Nats-TTL": "1s"})
            schedule = {"Nats-Schedule": "@every 1s", "Nats-Schedule-Target": f"{key}.fired"}
            await js.publish(f"{key}.schedule", b'{"max": 6}', headers=schedule)
            async with intake(connection, unused, database, source, routes=table(source)):

                async def all_happened() -> bool:
                    rows = await database.fetch(
                        "select subject, extensions->>'kvoperation' as operation from event_attributes"
                    )
                    found = [tuple(row) for row in rows]
                    return (
                        ("brief", "expire") in found
                        and found.count(("shop.limit.fired", "put")) > 1
                        and ("shop.limit", "purge") in found
                    )

                await eventually(all_happened, within=30)
        finally:
            await js.delete_stream(source.stream)
    rows = await database.fetch(
        "select type, data from event_attributes where subject = 'shop.limit' order by position"
    )
    operations = [row["type"].rpartition(".")[2] for row in rows]
    # The purge has removed what came before it.
    assert operations == ["purge"]
    assert (
        len({row["id"] for row in await database.fetch("select id from event_attributes")}) >= 5
    )
    assert not await database.fetchval("select count(*) from dead_letters")
    assert "passed-over" in await verdicts(database)
