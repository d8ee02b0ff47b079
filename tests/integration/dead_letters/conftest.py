"""A bridge of the test's own, its database and store, and a plain client of NATS."""

from collections.abc import AsyncIterator

import pytest

from eventstore.database import Database
from eventstore.store import EventStore
from tests.support.daemon import Bridge
from tests.support.fixtures import bridge, client

__all__ = ["bridge", "client", "database", "store"]


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
