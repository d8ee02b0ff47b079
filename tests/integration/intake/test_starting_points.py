"""Where a source begins the first time: as the settings say, once, and never silently everywhere."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from bridge.errors import AttachError, NotConnected
from bridge.history.verify.events import EventsCheck
from bridge.history.verify.findings import Counts, VerifyScope
from bridge.jetstream.connection import NatsConnection
from bridge.settings.schema import NatsSettings, RetentionSettings, SourceSettings
from bridge.sources import NO_SOURCES
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support import sources
from tests.support.intakes import intake, recorded
from tests.support.sources import Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

WHOLE = SourceSettings()
NEW = SourceSettings(start_from="new")


@pytest.fixture
async def foreign(settings: NatsSettings) -> AsyncIterator[Stream]:
    """A stream that ``migrate`` did not create, with a history of five messages."""
    async with sources.stream(settings, metadata={}) as made:
        await made.publish(*range(1, 6))
        yield made


async def refusal(
    connection: NatsConnection, stream: Stream, database: Database, source: SourceSettings
) -> AttachError:
    """Why the source is not attached."""
    async with intake(connection, stream, database, source) as service:
        problem = await eventually(lambda: service.attach_problem)
    assert isinstance(problem, AttachError)
    assert await database.fetchval("select count(*) from source_progress") == 0
    return problem


async def test_a_history_is_refused_without_a_choice_and_read_as_chosen(
    connection: NatsConnection, foreign: Stream, database: Database
) -> None:
    problem = await refusal(connection, foreign, database, WHOLE)
    assert "already holds 5 messages (sequences 1 to 5)" in str(problem)
    assert "start_from" in problem.to_do
    assert await foreign.consumers() == []
    async with intake(connection, foreign, database, SourceSettings(start_from="all")):
        await recorded(database, *range(1, 6))


@pytest.mark.parametrize("chosen", ["new", "4", "time", "1d"])
async def test_it_begins_where_the_settings_say_and_only_once(
    connection: NatsConnection, foreign: Stream, database: Database, chosen: str
) -> None:
    if chosen == "time":
        stored = await foreign.client.jetstream().get_msg(foreign.name, 3)
        assert stored.time is not None
        chosen = datetime.fromisoformat(str(stored.time)).astimezone(UTC).isoformat()
    first = {"new": 6, "4": 4, "1d": 1}.get(chosen, 3)
    async with intake(connection, foreign, database, SourceSettings(start_from=chosen)):
        await eventually(foreign.consumers)
        await foreign.publish(6, 7)
        await recorded(database, *range(first, 8))
    await foreign.publish(8)
    # The record decides now.
    async with intake(connection, foreign, database, SourceSettings(start_from="all")):
        await recorded(database, *range(first, 9))


async def test_a_daemon_killed_before_the_consumer_exists_begins_at_the_same_message(
    connection: NatsConnection,
    foreign: Stream,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def killed(*_arguments: object) -> None:
        raise NotConnected("killed here")

    with monkeypatch.context() as patch:
        patch.setattr("bridge.intake.durable_consumer.DurableConsumer.create", killed)
        async with intake(connection, foreign, database, NEW):
            await eventually(lambda: database.fetchval("select count(*) from source_progress"))
    await foreign.publish(6, 7)
    async with intake(connection, foreign, database, NEW):
        await recorded(database, 6, 7)


async def test_a_stream_that_lost_its_tail_is_not_read_from_before_the_start(
    connection: NatsConnection, foreign: Stream, database: Database
) -> None:
    async with intake(connection, foreign, database, NEW):
        await eventually(foreign.consumers)
        await foreign.publish(6, 7)
        await recorded(database, 6, 7)
    await database.execute("update source_progress set sequence = 100")
    await foreign.publish(8)
    async with intake(connection, foreign, database, NEW):
        await recorded(database, 6, 7, 8)
    assert await database.fetchval("select min(sequence) from deliveries") == 6


async def test_a_stream_created_again_is_read_from_its_first_message(
    connection: NatsConnection, foreign: Stream, database: Database
) -> None:
    async with intake(connection, foreign, database, NEW):
        await eventually(foreign.consumers)
        await foreign.publish(6)
        await recorded(database, 6)
    await foreign.delete()
    await foreign.create(metadata={})
    await foreign.publish(7, 8)
    async with intake(connection, foreign, database, NEW):
        await recorded(database, 6, 7, 8)


async def test_messages_of_other_subjects_are_no_history(
    connection: NatsConnection, foreign: Stream, database: Database
) -> None:
    async with intake(connection, foreign, database, SourceSettings(subject="events.mine.*")):
        await eventually(foreign.consumers)
        await foreign.publish(6, topic="events.mine.x")
        await recorded(database, 6)


async def test_interest_retention_keeps_what_another_consumer_wants(
    connection: NatsConnection, settings: NatsSettings, database: Database
) -> None:
    async with sources.stream(settings, retention="interest", metadata={}) as stream:
        js = stream.client.jetstream()
        other = await js.pull_subscribe(stream.nats.subject("events.>"), "other", stream.name)
        await stream.publish(*range(1, 6))
        async with intake(connection, stream, database, NEW):
            await eventually(
                lambda: js.consumer_info(stream.name, "ntbridge"), forgive=(NotFoundError,)
            )
            await stream.publish(6)
            await recorded(database, 6)
            for message in await other.fetch(6):
                await message.ack()

            async def drained() -> bool:
                return (await js.stream_info(stream.name)).state.messages == 0

            await eventually(drained)


async def test_a_work_queue_is_read_from_its_first_message_or_refused(
    connection: NatsConnection, settings: NatsSettings, database: Database
) -> None:
    async with sources.stream(settings, retention="workqueue", metadata={}) as stream:
        await stream.publish(1, 2)
        problem = await refusal(connection, stream, database, WHOLE)
        assert "all (a work queue is read from its first message)" in problem.to_do
        problem = await refusal(connection, stream, database, NEW)
        assert "is a work queue" in str(problem)
        assert f"nats stream purge {stream.name}" in problem.to_do
        async with intake(connection, stream, database, SourceSettings(start_from="all")):
            await recorded(database, 1, 2)


async def test_a_sequence_that_the_stream_has_not_reached_is_refused(
    connection: NatsConnection, foreign: Stream, database: Database
) -> None:
    problem = await refusal(connection, foreign, database, SourceSettings(start_from="7"))
    assert "has sequence 5" in str(problem)


async def test_an_operators_consumer_begins_where_it_was_created_to_begin(
    connection: NatsConnection, foreign: Stream, database: Database
) -> None:
    js = foreign.client.jetstream()
    source = SourceSettings(
        consumer="orders", create_consumer=False, subject="events.sources.*"
    )
    problem = await refusal(connection, foreign, database, source)
    assert "has no consumer 'orders'" in str(problem)
    assert f"nats consumer add {foreign.name} orders" in problem.to_do
    await js.add_consumer(
        foreign.name,
        ConsumerConfig(
            durable_name="orders",
            filter_subject=foreign.nats.subject("events.sources.*"),
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=3,
        ),
    )
    early = source.model_copy(update={"start_from": "2"})
    problem = await refusal(connection, foreign, database, early)
    assert "was created to begin at 3" in str(problem)
    async with intake(connection, foreign, database, source):
        await recorded(database, 3, 4, 5)
    assert await foreign.consumers() == ["orders"]


async def test_verify_does_not_look_before_the_start(
    connection: NatsConnection, foreign: Stream, database: Database
) -> None:
    async with intake(connection, foreign, database, NEW):
        await eventually(foreign.consumers)
        await foreign.publish(6)
        await recorded(database, 6)
    store = EventStore(database)
    check = EventsCheck(
        await connection.client(1),
        foreign.nats,
        database,
        store,
        RetentionSettings(),
        VerifyScope(after=0, through=10**6, now=datetime.now(UTC)),
        Counts(lambda _: None),
        NO_SOURCES,
    )
    assert [each async for each in check.recorded(NEW)] == []
    await store.aclose()
