"""Cells of the matrix, each with a database and streams of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client

from bridge.devstack.addresses import Addresses
from tests.support import targets
from tests.support.cells import Cells
from tests.support.fixtures import bridge, client

__all__ = ["bridge", "client"]


@pytest.fixture
async def temporal(stack: Addresses) -> Client:
    """A plain client of Temporal."""
    return await Client.connect(stack.temporal_address)


@pytest.fixture
async def cells(
    stack: Addresses, migrated_template: str, temporal: Client, task_queue: str, tmp_path: Path
) -> AsyncIterator[Cells]:
    """Makes cells; one worker serves the workflows of all of them."""
    async with targets.worker(temporal, task_queue):
        yield Cells(stack, migrated_template, temporal, task_queue, tmp_path)
