"""A slice of an environment, in a database and a folder of the test's own."""

from pathlib import Path

import pytest

from eventstore.database import Database
from tests.integration.workflows.environments.world import World


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return World(database, tmp_path)
