"""A migrated database of the test's own, and the store on it."""

from collections.abc import AsyncIterator

import pytest

from bridge.devstack.addresses import Addresses
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support import databases


@pytest.fixture
async def store_url(stack: Addresses, eventstore_template: str) -> AsyncIterator[str]:
    """DSN of a migrated database of the test's own."""
    async with databases.database(stack.database_url, template=eventstore_template) as url:
        yield url


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
