"""A bridge of the test's own, its database and store, and plain clients of NATS and Temporal."""

import pytest
from temporalio.client import Client

from bridge.devstack.addresses import Addresses
from tests.integration.dead_letters.conftest import database, store
from tests.support.fixtures import bridge, client

__all__ = ["bridge", "client", "database", "store"]


@pytest.fixture
async def temporal(stack: Addresses) -> Client:
    """A plain client of Temporal."""
    return await Client.connect(stack.temporal_address)
