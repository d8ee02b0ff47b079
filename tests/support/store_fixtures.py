"""A database of the test's own with our tables, and the store in it; no daemon."""

from collections.abc import AsyncIterator

import pytest

from eventstore.database import Database
from eventstore.store import EventStore


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    """The database, as its owner."""
    opened = await Database.connect(migrated_database_url, size=4)
    yield opened
    await opened.close()


@pytest.fixture
def store(database: Database) -> EventStore:
    """The event store in it."""
    return EventStore(database)
