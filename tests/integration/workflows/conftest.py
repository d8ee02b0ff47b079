"""What the tests of the pipelines share: a client as the workers have it, and a store."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bridge.devstack.addresses import Addresses
from bridge.emit.activity import EmitActivities
from bridge.emit.service import Emit
from bridge.settings.schema import EmitSettings, TemporalSettings
from bridge.temporal import connect
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support.emitting import at_once, namespace, unlimited


@pytest.fixture
async def client(stack: Addresses) -> Client:
    """A client of Temporal with the pipelines' data converter."""
    return await Client.connect(stack.temporal_address, data_converter=pydantic_data_converter)


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    """A database of the test's own."""
    opened = await Database.connect(migrated_database_url)
    yield opened
    await opened.close()


@pytest.fixture
def store(database: Database) -> EventStore:
    """The store in it."""
    return EventStore(database)


@pytest.fixture
async def flags(
    stack: Addresses, migrated_database_url: str, store: EventStore, task_queue: str
) -> AsyncIterator[dict[str, str]]:
    """Flags of a worker whose emits are served."""
    temporal = TemporalSettings(address=stack.temporal_address)
    queue = f"{task_queue}-events"
    emit = Emit(
        EmitActivities(
            store,
            await connect(temporal),
            namespace,
            unlimited,
            at_once,
        ),
        temporal,
        EmitSettings(task_queue=queue),
    )
    await emit.start()
    yield {
        "events_queue": queue,
        "modules": "qagent",
        "task_queue": task_queue,
        "temporal_address": stack.temporal_address,
        "temporal_namespace": "default",
        "database_url": migrated_database_url,
    }
    await emit.stop()
