"""What the tests of the operations share: our gateway, and the SDK's client as an independent eye."""

from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bridge.devstack.addresses import Addresses
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway, connect
from tests.integration.operations.tally import Tally


@pytest.fixture
async def gateway(stack: Addresses) -> Gateway:
    return await connect(TemporalSettings(address=stack.temporal_address))


@pytest.fixture
async def client(stack: Addresses) -> Client:
    return await Client.connect(stack.temporal_address)


@pytest.fixture
async def worker(client: Client, task_queue: str) -> AsyncIterator[Worker]:
    """Serves `Tally`."""
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[Tally],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ) as running:
        yield running
