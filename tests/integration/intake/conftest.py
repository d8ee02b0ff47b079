"""A source stream of the test's own."""

from collections.abc import AsyncIterator

import pytest

from bridge.devstack.addresses import Addresses
from bridge.jetstream.connection import NatsConnection
from bridge.settings.schema import NatsSettings
from tests.support import sources
from tests.support.daemon_parts_fixtures import database, parts, temporal
from tests.support.sources import Reader, Record, Stream

__all__ = ["database", "parts", "temporal"]


@pytest.fixture
def settings(stack: Addresses, prefix: str) -> NatsSettings:
    return NatsSettings(url=stack.nats_url, prefix=prefix)


@pytest.fixture
async def stream(settings: NatsSettings) -> AsyncIterator[Stream]:
    async with sources.stream(settings) as made:
        yield made


@pytest.fixture
async def connection(settings: NatsSettings) -> AsyncIterator[NatsConnection]:
    async with sources.connected(settings) as made:
        yield made


@pytest.fixture
def reader(connection: NatsConnection, stream: Stream) -> Reader:
    return Reader(connection, stream, Record())
