"""A service in a database and a folder of the test's own; its processes end with the test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventstore.database import Database
from tests.integration.workflows.services.world import World
from tests.support.services import ending_services


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[World]:
    async with ending_services(database.dsn):
        yield World(database, tmp_path)
