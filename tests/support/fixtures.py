"""Fixtures for tests of whole processes; a folder's conftest imports those it wants."""

from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from bridge.devstack.addresses import Addresses
from tests.support.daemon import Bridge, set_up


@pytest.fixture
async def bridge(
    stack: Addresses, migrated_database_url: str, prefix: str, task_queue: str, tmp_path: Path
) -> Bridge:
    """A bridge of the test's own on the servers of the session, set up and not running."""
    return await set_up(Bridge, stack, migrated_database_url, prefix, task_queue, tmp_path)


@pytest.fixture
async def client(stack: Addresses) -> AsyncIterator[Client]:
    """A plain client of NATS."""
    connected = await nats.connect(stack.nats_url, connect_timeout=5)
    yield connected
    await connected.close()
