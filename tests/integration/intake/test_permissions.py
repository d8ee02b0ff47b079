"""A user who may do little: what is missing is said in the server's words, and what is fit is used."""

from collections.abc import AsyncIterator

import nats
import pytest
from nats.js.api import ConsumerConfig

from bridge.errors import AttachError
from bridge.settings.schema import NatsSettings, SourceSettings
from eventstore.database import Database
from tests.support import sources
from tests.support.intakes import intake, recorded
from tests.support.own_nats import nats_server
from tests.support.sources import Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

ALLOWED = (
    "$JS.API.STREAM.INFO.p-EVENTS",
    "$JS.API.STREAM.MSG.GET.p-EVENTS",
    "$JS.API.CONSUMER.INFO.p-EVENTS.ntbridge",
    "$JS.API.CONSUMER.RESET.p-EVENTS.ntbridge",
    "$JS.API.CONSUMER.MSG.NEXT.p-EVENTS.ntbridge",
    "$JS.ACK.p-EVENTS.ntbridge.>",
)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Of a server on which whoever names no user may do everything."""
    allowed = ", ".join(f'"{subject}"' for subject in ALLOWED)
    more = f"""
        no_auth_user: admin
        authorization {{ users: [
            {{user: admin, password: admin}}
            {{user: bridge, password: bridge, permissions: {{
                publish: [{allowed}], subscribe: ["_INBOX_bridge.>"] }} }}
        ] }}
    """
    async with nats_server(more=more) as server:
        yield server.url


async def test_a_user_who_may_not_create_consumers_uses_one_that_is_there(
    url: str, database: Database
) -> None:
    client = await nats.connect(url)
    stream = Stream(client, NatsSettings(url=url, prefix="p"))
    await stream.create()
    settings = NatsSettings(url=url.replace("//", "//bridge:bridge@"), prefix="p")
    async with (
        sources.connected(settings) as connection,
        intake(connection, stream, database, SourceSettings()) as service,
    ):
        problem = await eventually(lambda: service.attach_problem)
        assert isinstance(problem, AttachError)
        assert 'permissions violation for publish to "$js.api.consumer.create' in str(problem)
        assert "nats consumer add p-EVENTS ntbridge" in problem.to_do
        await client.jetstream().add_consumer(
            stream.name, ConsumerConfig(durable_name="ntbridge", max_deliver=-1)
        )
        await stream.publish(*range(20))
        await recorded(database, *range(20))
        assert service.attach_problem is None
    await client.close()
