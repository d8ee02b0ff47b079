"""A paused source: nothing is fetched and nothing acknowledged; afterwards nothing is missing."""

import pytest

from bridge.jetstream.connection import NatsConnection
from bridge.pauses import PauseKind, Pauses, PauseWatch
from bridge.settings.schema import SourceSettings
from eventstore.database import Database
from tests.support.intakes import intake, recorded
from tests.support.sources import Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

WHOLE = SourceSettings()
WHO = {"who": "ada@host", "via": "command line", "reason": ""}
SOURCE: PauseKind = "source"


async def test_a_paused_source_holds_over_a_takeover_and_then_misses_nothing(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    pauses = Pauses(database)
    watch = PauseWatch(Pauses(database), every=0.05)
    await watch.start()
    consumers = stream.client.jetstream()
    async with intake(connection, stream, database, WHOLE, paused=watch, owner="one") as first:
        await stream.publish(1, 2)
        await recorded(database, 1, 2)
        assert await pauses.pause(SOURCE, WHOLE.name, **WHO)
        await eventually(lambda: watch.held and watch.held.sources)

        async def detached() -> bool:
            return await first.lag() is None

        await eventually(detached, what="the pull is closed")
        await stream.publish(3, 4)
        async with intake(
            connection, stream, database, WHOLE, paused=watch, owner="two"
        ) as second:
            await first.stop()
            await eventually(lambda: second.leads, what="the other daemon leads")
            info = await consumers.consumer_info(stream.name, WHOLE.durable)
            assert info.num_pending == 2
            await recorded(database, 1, 2)
            await stream.publish(5)
            assert await pauses.resume(SOURCE, WHOLE.name, **WHO)
            await recorded(database, 1, 2, 3, 4, 5)
    await watch.stop()
