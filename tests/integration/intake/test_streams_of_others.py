"""Streams as others have them: in a domain, in another account, mirrored, sourced, transformed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from bridge.settings.schema import NatsSettings, SourceSettings
from eventstore.database import Database
from tests.support import sources
from tests.support.intakes import intake, recorded
from tests.support.own_nats import nats_server
from tests.support.sources import Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

ORDERS = SourceSettings(stream="ORDERS", start_from="all")

ACCOUNTS = """
no_auth_user: shop
accounts {
  shop {
    jetstream: enabled
    users: [{user: shop, password: shop}]
    exports: [
      {service: "$JS.API.>", response_type: "stream"}
      {service: "$JS.ACK.ORDERS.>"}
    ]
  }
  bridge {
    jetstream: enabled
    users: [{user: bridge, password: bridge}]
    imports: [
      {service: {account: shop, subject: "$JS.API.>"}, to: "JS.shop.API.>"}
      {service: {account: shop, subject: "$JS.ACK.ORDERS.>"}}
    ]
  }
}
"""


@asynccontextmanager
async def orders(url: str) -> AsyncIterator[Stream]:
    """A stream ORDERS with three messages."""
    client = await nats.connect(url)
    try:
        made = Stream(client, NatsSettings(url=url))
        await made.create(name="ORDERS", metadata={})
        await made.publish(1, 2, 3)
        yield made
    finally:
        await client.close()


async def read_over_restarts(
    settings: NatsSettings, source: SourceSettings, stream: Stream, database: Database
) -> None:
    """Read the stream, restart, read on; all of it is acknowledged in the end."""
    seen = replace(stream, nats=settings)
    async with sources.connected(settings) as connection:
        for numbers in ((1, 2, 3), (4, 5)):
            if numbers[0] > 3:
                await stream.publish(*numbers)
            async with intake(connection, seen, database, source) as service:
                await recorded(database, *range(1, numbers[-1] + 1))

                async def acknowledged() -> bool:
                    lag = await service.lag()
                    return lag is not None and lag.messages == 0

                await eventually(acknowledged)


async def test_a_stream_in_a_domain(database: Database, tmp_path: Path) -> None:
    jetstream = f'jetstream {{ domain: hub, store_dir: "{tmp_path}" }}\n'
    async with (
        nats_server(more=jetstream) as server,
        orders(server.url) as stream,
    ):
        settings = NatsSettings(url=server.url)
        source = ORDERS.model_copy(update={"domain": "hub"})
        await read_over_restarts(settings, source, stream, database)
        # The domain of the connection is that of all streams.
        everywhere = NatsSettings(url=server.url, domain="hub")
        async with sources.connected(everywhere) as connection:
            info = await (await connection.client()).jetstream().stream_info("ORDERS")
            assert info.state.last_seq == 5


async def test_a_stream_of_an_imported_account(database: Database) -> None:
    async with nats_server(more=ACCOUNTS) as server:
        shop = server.url.replace("//", "//shop:shop@")
        settings = NatsSettings(url=server.url.replace("//", "//bridge:bridge@"))
        source = ORDERS.model_copy(update={"api_prefix": "JS.shop.API"})
        async with orders(shop) as stream:
            await read_over_restarts(settings, source, stream, database)


async def create(client: Client, name: str, **config: object) -> None:
    """Create a stream by the server's JSON."""
    answer = await client.request(
        f"$JS.API.STREAM.CREATE.{name}", json.dumps({"name": name, **config}).encode()
    )
    assert "error" not in json.loads(answer.data)


@pytest.mark.parametrize("kind", ["mirror", "sourced", "transformed"])
async def test_a_stream_that_is_made_of_another(
    stream: Stream, database: Database, kind: str
) -> None:
    await stream.publish(1, 2, 3)
    prefix, name = stream.nats.prefix, f"{stream.nats.prefix}-COPY"
    config: dict[str, object] = {"sources": [{"name": stream.name}]}
    if kind == "mirror":
        config = {"mirror": {"name": stream.name}}
    elif kind == "transformed":
        transform = {"src": f"{prefix}.events.>", "dest": f"{prefix}.copied.>"}
        config = {"sources": [{"name": stream.name, "subject_transforms": [transform]}]}
    await create(stream.client, name, **config)
    js = stream.client.jetstream()

    async def copied() -> bool:
        return (await js.stream_info(name)).state.messages == 3

    await eventually(copied, forgive=(NotFoundError,))
    source = SourceSettings(stream=name, start_from="2")
    async with sources.connected(stream.nats) as connection:
        async with intake(connection, stream, database, source):
            await recorded(database, 2, 3)
        await stream.publish(4)
        async with intake(connection, stream, database, source):
            await recorded(database, 2, 3, 4)
    topics = await database.fetch("select distinct topic from deliveries")
    part = "copied" if kind == "transformed" else "events"
    assert [row["topic"] for row in topics] == [f"{prefix}.{part}.sources.happened"]
