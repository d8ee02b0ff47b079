"""A database with our tables and no daemon, and an evaluator of conditions."""

from collections.abc import AsyncIterator

import pytest

from bridge.evaluation import Evaluator
from tests.support.store_fixtures import database, store

__all__ = ["database", "store"]


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    """An evaluator."""
    async with Evaluator() as opened:
        yield opened
