"""A migrated database of the test's own, and the store on it."""

from collections.abc import AsyncIterator

import pytest

from eventstore.database import Database
from eventstore.migrate import migrate
from eventstore.store import EventStore


@pytest.fixture
async def store_url(database_url: str) -> str:
    await migrate(database_url)
    return database_url


@pytest.fixture
async def database(store_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(store_url, application_name="tests")
    yield database
    await database.close()


@pytest.fixture
async def store(database: Database) -> AsyncIterator[EventStore]:
    store = EventStore(database)
    yield store
    await store.aclose()
