"""A server that comes back with an earlier state: the stream goes back, and no new event is lost."""

import shutil

import nats
import pytest

from bridge.settings.schema import NatsSettings, SourceSettings
from eventstore.database import Database
from tests.support import sources
from tests.support.intakes import intake, recorded
from tests.support.own_nats import nats_server
from tests.support.sources import Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("retention", "last"),
    [
        ("limits", "event"),
        ("limits", "letter"),
        ("interest", "letter"),
        ("workqueue", "letter"),
    ],
)
async def test_new_events_in_the_places_of_recorded_messages_are_recorded(
    database: Database, retention: str, last: str
) -> None:
    async with nats_server() as server:
        settings = NatsSettings(url=server.url, prefix="p")
        client = await nats.connect(server.url, max_reconnect_attempts=-1)
        stream = Stream(client, settings)
        await stream.create(retention=retention)
        async with (
            sources.connected(settings) as connection,
            intake(connection, stream, database, SourceSettings()) as service,
        ):
            await eventually(stream.consumers)
            await stream.publish(1)
            await recorded(database, 1)
            await service.stop()
            await server.kill()
            folder = server._folder  # noqa: SLF001 - what an operator would back up
            backup = folder.with_name("backup")
            shutil.copytree(folder, backup)
            await server.start()
            await service.start()
            if last == "event":
                await stream.publish(2)
                await recorded(database, 1, 2)
            else:
                await client.jetstream().publish("p.events.no-event", b"no event")

                async def set_aside() -> bool:
                    return bool(await database.fetchval("select count(*) from dead_letters"))

                await eventually(set_aside)
            await service.stop()
            await server.kill()
            shutil.rmtree(folder)
            shutil.move(backup, folder)
            await server.start()
            await eventually(lambda: client.is_connected)
            await stream.publish(*range(10, 16))
            await service.start()
            await recorded(database, 1, *((2,) if last == "event" else ()), *range(10, 16))
        await client.close()
