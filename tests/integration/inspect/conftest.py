"""A database of the test's own with our tables, and the store in it; no daemon."""

from collections.abc import AsyncIterator

import pytest

from bridge.evaluation import Evaluator
from eventstore.database import Database
from eventstore.store import EventStore


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = await Database.connect(migrated_database_url, size=4)
    yield opened
    await opened.close()


@pytest.fixture
def store(database: Database) -> EventStore:
    return EventStore(database)


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    async with Evaluator() as opened:
        yield opened
