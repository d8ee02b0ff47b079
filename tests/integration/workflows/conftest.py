"""What the tests of the pipelines share: a client as the workers have it, and a store."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bridge.devstack.addresses import Addresses
from eventstore.database import Database
from eventstore.store import EventStore


@pytest.fixture
async def client(stack: Addresses) -> Client:
    """A client of Temporal with the pipelines' data converter."""
    return await Client.connect(stack.temporal_address, data_converter=pydantic_data_converter)


@pytest.fixture
async def store(migrated_database_url: str) -> AsyncIterator[EventStore]:
    """A store of the test's own."""
    database = await Database.connect(migrated_database_url)
    yield EventStore(database)
    await database.close()
