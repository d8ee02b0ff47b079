"""An evaluator of the test's own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from bridge.evaluation import Evaluator


@pytest_asyncio.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    async with Evaluator() as made:
        yield made
