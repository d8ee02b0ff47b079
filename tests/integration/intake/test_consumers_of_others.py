"""Consumers that others made or limit: used if they are fit, else refused by name."""

import json

import pytest
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from bridge.jetstream.connection import NatsConnection
from bridge.settings.schema import NatsSettings, SourceSettings
from eventstore.database import Database
from tests.support import sources
from tests.support.intakes import intake, recorded
from tests.support.sources import Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

WHOLE = SourceSettings()


async def test_a_streams_consumer_limits_are_kept_to(
    connection: NatsConnection, settings: NatsSettings, database: Database
) -> None:
    limits = {"max_ack_pending": 10, "inactive_threshold": 3600 * 10**9}
    async with sources.stream(settings) as stream:
        await stream.delete()
        await stream.client.request(
            f"$JS.API.STREAM.CREATE.{stream.name}",
            json.dumps(
                {
                    "name": stream.name,
                    "subjects": [stream.nats.subject("events.>")],
                    "consumer_limits": limits,
                }
            ).encode(),
        )
        async with intake(connection, stream, database, SourceSettings(start_from="all")):
            await stream.publish(*range(30))
            await recorded(database, *range(30))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (ConsumerConfig(filter_subject="nothing.here"), "filter"),
        (ConsumerConfig(deliver_policy=DeliverPolicy.NEW), "deliver policy"),
        (ConsumerConfig(ack_policy=AckPolicy.NONE), "ack policy"),
        (ConsumerConfig(max_deliver=3), "3 deliveries"),
        (ConsumerConfig(headers_only=True), "headers only"),
    ],
)
async def test_a_consumer_that_is_not_fit_is_refused_by_name(
    connection: NatsConnection,
    stream: Stream,
    database: Database,
    config: ConsumerConfig,
    words: str,
) -> None:
    config = config.evolve(durable_name="ntbridge")
    if config.filter_subject:
        config = config.evolve(filter_subject=stream.nats.subject("events.other"))
    await stream.client.jetstream().add_consumer(stream.name, config)
    async with intake(connection, stream, database, WHOLE) as service:
        problem = await eventually(lambda: service.attach_problem)
        assert "'ntbridge'" in str(problem)
        assert words in str(problem)
        # Once it is out of the way, events flow.
        await stream.client.jetstream().delete_consumer(stream.name, "ntbridge")
        await stream.publish(1)
        await recorded(database, 1)
        assert service.attach_problem is None


async def test_a_paused_consumer_is_said_to_be_paused(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    paused = ConsumerConfig(durable_name="ntbridge", pause_until="2100-01-01T00:00:00Z")
    await stream.client.jetstream().add_consumer(stream.name, paused)
    async with intake(connection, stream, database, WHOLE) as service:
        problem = await eventually(lambda: service.attach_problem)
        assert "is paused" in str(problem)


async def test_a_consumer_of_anothers_making_is_used_if_it_is_fit(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    js = stream.client.jetstream()
    await js.add_consumer(
        stream.name, ConsumerConfig(durable_name="ntbridge", max_ack_pending=3, ack_wait=7)
    )
    async with intake(connection, stream, database, WHOLE):
        await stream.publish(*range(20))
        await recorded(database, *range(20))
    info = await js.consumer_info(stream.name, "ntbridge")
    assert (info.config.max_ack_pending, info.config.ack_wait) == (3, 7)


async def test_overlapping_subjects_on_a_work_queue_are_refused_in_the_servers_words(
    connection: NatsConnection, settings: NatsSettings, database: Database
) -> None:
    async with sources.stream(settings, retention="workqueue") as stream:
        part = SourceSettings(subject="events.part.*")
        async with intake(connection, stream, database, WHOLE):
            await eventually(stream.consumers)
            async with intake(connection, stream, database, part) as second:
                problem = str(await eventually(lambda: second.attach_problem))
                assert "filtered consumer not unique on workqueue stream" in problem
                assert "it has: ntbridge" in problem
