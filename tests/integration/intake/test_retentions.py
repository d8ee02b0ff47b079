"""Sources with every retention: nothing is lost, and the order is the stream's."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from bridge.history.verify.events import EventsCheck
from bridge.history.verify.findings import Counts, VerifyScope
from bridge.jetstream.connection import NatsConnection
from bridge.settings.schema import NatsSettings, RetentionSettings, SourceSettings
from bridge.sources import NO_SOURCES
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support import sources
from tests.support.intakes import intake, recorded
from tests.support.proxy import Proxy
from tests.support.sources import Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

WHOLE = SourceSettings()


@pytest.fixture(params=["limits", "interest", "workqueue"])
async def kept(settings: NatsSettings, request: pytest.FixtureRequest) -> AsyncIterator[Stream]:
    """A source stream of each retention, with the source's consumer in place."""
    async with sources.stream(settings, retention=request.param) as made:
        yield made


async def test_what_a_stopped_daemon_missed_comes_after_a_restart(
    connection: NatsConnection, kept: Stream, database: Database
) -> None:
    async with intake(connection, kept, database, WHOLE):
        await eventually(kept.consumers)
        await kept.publish(*range(5))
        await recorded(database, *range(5))
    await kept.publish(*range(5, 25))
    async with intake(connection, kept, database, WHOLE):
        await recorded(database, *range(25))
        # What is recorded is acknowledged, and leaves a stream that keeps only what is not.
        js = kept.client.jetstream()

        async def acknowledged() -> bool:
            info = await js.consumer_info(kept.name, "ntbridge")
            return (info.num_ack_pending, info.num_pending) == (0, 0)

        await eventually(acknowledged)
        held = (await js.stream_info(kept.name)).state.messages
        limits = (await js.stream_info(kept.name)).config.retention == "limits"
        assert held == (25 if limits else 0)


async def test_what_was_recorded_and_not_acknowledged_is_known_and_acknowledged(
    connection: NatsConnection,
    kept: Stream,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lost(_self: object, _deliveries: object) -> None:
        """As in a crash between commit and acknowledgement."""

    with monkeypatch.context() as patch:
        patch.setattr("bridge.intake.consumer.Consumer.ack", lost)
        async with intake(connection, kept, database, WHOLE):
            await eventually(kept.consumers)
            await kept.publish(*range(10))
            await recorded(database, *range(10))
    js = kept.client.jetstream()
    async with intake(connection, kept, database, WHOLE):
        await kept.publish(*range(10, 15))
        await recorded(database, *range(15))

        async def acknowledged() -> bool:
            state = (await js.stream_info(kept.name)).state
            info = await js.consumer_info(kept.name, "ntbridge")
            limits = (await js.stream_info(kept.name)).config.retention == "limits"
            return info.num_ack_pending == 0 and (limits or state.messages == 0)

        await eventually(acknowledged)


async def test_a_lost_connection_costs_nothing(
    kept: Stream, database: Database, settings: NatsSettings
) -> None:
    async with Proxy.to(settings.url) as proxy:
        through = settings.model_copy(update={"url": proxy.through(settings.url)})
        async with (
            sources.connected(through) as connection,
            intake(connection, kept, database, WHOLE, batch=5),
        ):
            await eventually(kept.consumers)
            for start in range(0, 60, 20):
                await kept.publish(*range(start, start + 20))
                proxy.cut()
            await recorded(database, *range(60))


async def test_messages_purged_before_they_were_recorded_leave_a_trace(
    connection: NatsConnection, kept: Stream, database: Database
) -> None:
    async with intake(connection, kept, database, WHOLE):
        await eventually(kept.consumers)
        await kept.publish(1, 2)
        await recorded(database, 1, 2)
    await kept.publish(3, 4, 5)
    await kept.client.jetstream().purge_stream(kept.name)
    async with intake(connection, kept, database, WHOLE):

        async def noted() -> bool:
            rows = await database.fetch("select first, through from removed_messages")
            return [tuple(row) for row in rows] == [(3, 5)]

        await eventually(noted)
        await kept.publish(6)
        await recorded(database, 1, 2, 6)


async def test_a_source_with_a_subject_notices_that_the_stream_begins_later_than_it_had_read(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    left = SourceSettings(subject="events.left.*")
    js = stream.client.jetstream()

    async def removed() -> list[tuple[int, int]]:
        rows = await database.fetch("select first, through from removed_messages")
        return [tuple(row) for row in rows]

    async def seen(through: int) -> None:
        async def look() -> bool:
            query = "select seen_through from source_progress"
            return bool(await database.fetchval(query) == through)

        await eventually(look)

    await stream.publish(1, topic="events.left.x")
    await stream.publish(2, 3, topic="events.right.x")
    async with intake(connection, stream, database, left):
        await recorded(database, 1)
        await seen(3)
    # It was seen that these do not belong to the source.
    await js.purge_stream(stream.name)
    await stream.publish(4, topic="events.right.x")
    await stream.publish(5, topic="events.left.x")
    async with intake(connection, stream, database, left):
        await recorded(database, 1, 5)
        await seen(5)
    assert await removed() == []
    await stream.publish(6, topic="events.left.x")
    await stream.publish(7, topic="events.right.x")
    await js.purge_stream(stream.name)
    store = EventStore(database)
    check = EventsCheck(
        await connection.client(1),
        stream.nats,
        database,
        store,
        RetentionSettings(),
        VerifyScope(after=0, through=10**6, now=datetime.now(UTC)),
        Counts(lambda _: None),
        NO_SOURCES,
    )

    async def findings() -> list[tuple[int | None, int | None]]:
        found = [each async for each in check.recorded(left)]
        assert all(
            "some may have been messages of events.left.*" in each.detail for each in found
        )
        return [(each.sequence, each.through) for each in found]

    assert await findings() == [(6, 7)], "no daemon has noticed it yet"
    async with intake(connection, stream, database, left):
        await stream.publish(8, topic="events.left.x")
        await recorded(database, 1, 5, 8)
        assert await removed() == [(6, 7)]
    assert await findings() == [(6, 7)]
    await store.aclose()


async def test_verify_finds_the_range_that_was_removed(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    store = EventStore(database)

    async def found() -> list[tuple[int | None, int | None]]:
        check = EventsCheck(
            await connection.client(1),
            stream.nats,
            database,
            store,
            RetentionSettings(),
            VerifyScope(after=0, through=10**6, now=datetime.now(UTC)),
            Counts(lambda _: None),
            NO_SOURCES,
        )
        findings = [each async for each in check.recorded(WHOLE)]
        assert {each.kind for each in findings} <= {"events-removed"}
        return [(each.sequence, each.through) for each in findings]

    async with intake(connection, stream, database, WHOLE):
        await stream.publish(1, 2)
        await recorded(database, 1, 2)
        assert await found() == []
    await stream.publish(3, 4)
    await stream.client.jetstream().purge_stream(stream.name)
    assert await found() == [(3, 4)], "no daemon has come to it yet"
    async with intake(connection, stream, database, WHOLE):
        await stream.publish(5)
        await recorded(database, 1, 2, 5)
    assert await found() == [(3, 4)]
    await store.aclose()


async def test_a_deleted_consumer_is_created_again_and_what_it_cost_is_noted(
    connection: NatsConnection, kept: Stream, database: Database
) -> None:
    js = kept.client.jetstream()
    limits = (await js.stream_info(kept.name)).config.retention != "interest"
    async with intake(connection, kept, database, WHOLE):
        await eventually(kept.consumers)
        await kept.publish(1, 2)
        await recorded(database, 1, 2)
    await kept.publish(3)
    await js.delete_consumer(kept.name, "ntbridge")
    await kept.publish(4)
    async with intake(connection, kept, database, WHOLE):
        await eventually(kept.consumers)
        await kept.publish(5)
        # Interest retention drops what no consumer has asked for.
        await recorded(database, *((1, 2, 3, 4, 5) if limits else (1, 2, 5)))
        rows = await database.fetch("select first, through from removed_messages")
        assert [tuple(row) for row in rows] == ([] if limits else [(3, 4)])


async def test_two_subjects_of_one_stream_are_two_sources(
    connection: NatsConnection, kept: Stream, database: Database
) -> None:
    left = SourceSettings(subject="events.left.*")
    right = SourceSettings(subject="events.right.*")
    async with (
        intake(connection, kept, database, left),
        intake(connection, kept, database, right),
    ):

        async def both() -> bool:
            return len(await kept.consumers()) == 2

        await eventually(both)
        for number in range(10):
            side = "left" if number % 2 else "right"
            await kept.publish(number, topic=f"events.{side}.x")

        async def all_of_them() -> bool:
            rows = await database.fetch(
                "select id::int as id from event_attributes order by position"
            )
            numbers = [row["id"] for row in rows]
            for parity in (0, 1):
                mine = [number for number in numbers if number % 2 == parity]
                assert mine == sorted(mine)
            return sorted(numbers) == list(range(10))

        await eventually(all_of_them)
