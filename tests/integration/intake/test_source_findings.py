"""What doctor and migrate say of sources before a daemon reads them."""

import pytest
from nats.js.api import ConsumerConfig

from bridge.health.sources import SourceChecks
from bridge.jetstream.connection import NatsConnection, connect_once
from bridge.runtime.findings import Finding
from bridge.settings.schema import (
    IntakeSettings,
    NatsSettings,
    Settings,
    SourceSettings,
)
from eventstore.database import Database
from tests.support import sources
from tests.support.intakes import intake, recorded
from tests.support.sources import Stream

pytestmark = pytest.mark.slow

WHOLE = SourceSettings()


async def finding(
    nats: NatsSettings, database: Database | None, source: SourceSettings = WHOLE
) -> tuple[Finding, list[str]]:
    """The finding of a source, and what migrate says of its history."""
    settings = Settings(nats=nats, intake=IntakeSettings(sources=(source,)))
    client = await connect_once(nats, "tests")
    try:
        sources = SourceChecks(settings, client, database)
        [found] = [each async for each in sources.findings()]
        return found, [each async for each in sources.histories()]
    finally:
        await client.close()


async def test_a_source_stream_that_is_missing_is_a_failure(
    settings: NatsSettings, database: Database
) -> None:
    found, _ = await finding(settings, database, SourceSettings(stream="NOWHERE"))
    assert found.state == "failed"
    assert found.detail == "stream NOWHERE does not exist"


async def test_a_history_is_said_until_it_is_recorded(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    found, histories = await finding(stream.nats, database)
    assert (found.state, histories) == ("ok", [])
    await stream.publish(*range(7))
    found, histories = await finding(stream.nats, database)
    assert found.state == "warning"
    assert "nothing is recorded yet of the 7 messages" in found.detail
    assert "from sequence 1 on" in found.detail
    assert histories == [f"{found.check}: {found.detail}"]
    async with intake(connection, stream, database, WHOLE):
        await recorded(database, *range(7))
    found, histories = await finding(stream.nats, database)
    assert (found.state, histories) == ("ok", [])
    assert "recorded up to 7 of 7; consumer exists" in found.detail
    found, _ = await finding(stream.nats, None)
    assert "because Postgres is unavailable" in found.detail


async def test_a_stream_of_others_with_a_history_is_a_failure_until_the_start_is_chosen(
    settings: NatsSettings, database: Database
) -> None:
    async with sources.stream(settings, metadata={}) as stream:
        await stream.publish(*range(7))
        found, histories = await finding(stream.nats, database)
        assert found.state == "failed"
        assert "already holds 7 messages (sequences 1 to 7)" in found.detail
        assert "set start_from of this source: all" in str(found.to_do)
        assert histories == []
        found, histories = await finding(stream.nats, database, SourceSettings(start_from="6"))
        assert found.state == "warning"
        assert "from sequence 6 on" in histories[0]
        found, histories = await finding(
            stream.nats, database, SourceSettings(start_from="new")
        )
        assert (found.state, histories) == ("ok", [])
        assert "will be read from sequence 8 on" in found.detail


async def test_a_consumer_of_an_interest_stream_that_expires_is_a_warning(
    settings: NatsSettings, database: Database
) -> None:
    async with sources.stream(settings, retention="interest") as stream:
        await stream.client.jetstream().add_consumer(
            stream.name, ConsumerConfig(durable_name="ntbridge", inactive_threshold=60)
        )
        found, _ = await finding(stream.nats, database)
        assert found.state == "warning"
        assert "for 60 s (inactive_threshold)" in str(found.to_do)


async def test_a_consumer_that_is_not_fit_is_a_failure(
    stream: Stream, database: Database
) -> None:
    await stream.client.jetstream().add_consumer(
        stream.name, ConsumerConfig(durable_name="ntbridge", max_deliver=2)
    )
    found, _ = await finding(stream.nats, database)
    assert found.state == "failed"
    assert "gives up on a message after 2 deliveries" in found.detail
