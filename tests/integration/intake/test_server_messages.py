"""Messages of NATS's own making on a source: schedules and delete markers."""

import pytest
from nats.js.api import StreamConfig

from bridge.cloudevents.codec import encode
from bridge.jetstream.connection import NatsConnection
from bridge.settings.schema import NatsSettings, SourceSettings
from eventstore.database import Database
from tests.support import sources
from tests.support.intakes import intake
from tests.support.sources import Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

WHOLE = SourceSettings()


async def verdicts(database: Database) -> list[str]:
    rows = await database.fetch("select verdict from deliveries order by sequence")
    return [row["verdict"] for row in rows]


async def ids(database: Database) -> list[str]:
    return [
        row["id"]
        for row in await database.fetch("select id from event_attributes order by position")
    ]


async def schedule(stream: Stream, name: str, when: str, number: int) -> None:
    """Define a schedule whose firings carry the event of a number."""
    headers, payload = encode(sources.event(number))
    target = stream.nats.subject("events.sources.fired")
    await stream.client.jetstream().publish(
        stream.nats.subject(f"events.schedules.{name}"),
        payload,
        headers={**headers, "Nats-Schedule": when, "Nats-Schedule-Target": target},
    )


async def test_each_firing_of_a_recurring_schedule_is_an_event_and_its_definition_is_none(
    connection: NatsConnection, settings: NatsSettings, database: Database
) -> None:
    async with sources.stream(settings, allow_msg_schedules=True) as stream:
        await schedule(stream, "often", "@every 1s", 7)
        async with intake(connection, stream, database, WHOLE):

            async def has_fired_twice() -> bool:
                return len(await ids(database)) >= 2

            await eventually(has_fired_twice, within=20)
        first, second, *_ = await ids(database)
        assert first != second
        assert {first[:2], second[:2]} == {"7@"}
        found = await verdicts(database)
        assert found[0] == "passed-over"
        assert set(found[1:]) == {"unmatched"}
        # The same messages again are the same events.
        before = await ids(database)
        await database.execute("delete from source_progress")
        async with intake(connection, stream, database, WHOLE):

            async def read_again() -> bool:
                return bool(await database.fetchval("select count(*) from source_progress"))

            await eventually(read_again)
        assert (await ids(database))[: len(before)] == before
        assert len(set(await ids(database))) == len(await ids(database))
        assert not await database.fetchval("select count(*) from dead_letters")


async def test_a_schedule_that_fires_once_keeps_the_publishers_id(
    connection: NatsConnection, settings: NatsSettings, database: Database
) -> None:
    async with sources.stream(settings, allow_msg_schedules=True) as stream:
        async with intake(connection, stream, database, WHOLE):
            await schedule(stream, "once", "@at 2020-01-01T00:00:00Z", 8)

            async def has_fired() -> bool:
                return await ids(database) == ["8"]

            await eventually(has_fired, within=20)
        assert "matched" not in await verdicts(database)


async def test_delete_markers_are_passed_over(
    connection: NatsConnection, settings: NatsSettings, database: Database
) -> None:
    async with sources.stream(
        settings, allow_msg_ttl=True, subject_delete_marker_ttl=1.0
    ) as stream:
        await stream.publish(1, topic="events.brief", headers={"Nats-TTL": "1s"})
        js, subject = stream.client.jetstream(), stream.nats.subject("events.kv.key")
        await js.publish(subject, b"", headers={"KV-Operation": "DEL"})
        await js.publish(f"{subject}.other", b"", headers={"KV-Operation": "PURGE"})
        # What only looks like one has content, and stays an event, or a dead letter.
        await stream.publish(2, headers={"KV-Operation": "DEL"})
        await js.publish(subject, b"no event", headers={"KV-Operation": "DEL"})
        async with intake(connection, stream, database, WHOLE):

            async def marked() -> bool:
                return (await verdicts(database))[-4:] == [
                    *("passed-over", "unmatched", "set-aside", "passed-over")
                ]

            await eventually(marked, within=20)
        assert (await ids(database))[-1] == "2"
        assert await database.fetchval("select count(*) from dead_letters") == 1


async def test_a_key_value_bucket_is_read_as_a_source(
    connection: NatsConnection, settings: NatsSettings, database: Database
) -> None:
    async with sources.stream(settings) as stream:
        js = stream.client.jetstream()
        bucket = f"KV_{stream.nats.prefix}"
        await js.add_stream(
            StreamConfig(
                name=f"{stream.nats.prefix}-{bucket}",
                subjects=[stream.nats.subject("kv.>")],
                max_msgs_per_subject=1,
                allow_rollup_hdrs=True,
            )
        )
        headers, payload = encode(sources.event(5))
        await js.publish(stream.nats.subject("kv.a"), payload, headers=headers)
        await js.publish(stream.nats.subject("kv.b"), b"", headers={"KV-Operation": "DEL"})
        async with intake(
            connection,
            stream,
            database,
            SourceSettings(stream=f"{stream.nats.prefix}-{bucket}", start_from="all"),
        ):

            async def both() -> bool:
                return await verdicts(database) == ["unmatched", "passed-over"]

            await eventually(both)
