"""A bridge for each test, its database and store, and plain clients of NATS and Temporal.

A folder's own conftest replaces those that it needs otherwise.
"""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from bridge.devstack.addresses import Addresses
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support.daemon import Bridge
from tests.support.fixtures import bridge, client

__all__ = ["bridge", "client"]


@pytest.fixture
async def database(bridge: Bridge) -> AsyncIterator[Database]:
    """The bridge's own database."""
    opened = await Database.connect(bridge.database_url)
    yield opened
    await opened.close()


@pytest.fixture
def store(database: Database) -> EventStore:
    """The event store in it."""
    return EventStore(database)


@pytest.fixture
async def temporal(stack: Addresses) -> Client:
    """A plain client of Temporal."""
    return await Client.connect(stack.temporal_address)
