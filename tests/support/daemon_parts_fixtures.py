"""Fixtures for tests of parts of the daemon; a folder's conftest imports those it wants."""

from collections.abc import AsyncIterator

import pytest

from eventstore.database import Database
from tests.support.daemon_parts import Parts, ScriptedTemporal


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    """A migrated database of the test's own."""
    database = await Database.connect(migrated_database_url, application_name="tests")
    yield database
    await database.close()


@pytest.fixture
def temporal() -> ScriptedTemporal:
    """A Temporal that follows the test's script."""
    return ScriptedTemporal()


@pytest.fixture
def parts(database: Database, temporal: ScriptedTemporal) -> Parts:
    """Parts of a daemon with one route."""
    return Parts(database, temporal)
