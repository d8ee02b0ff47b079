"""A bridge of the test's own, a plain client of NATS, and one `ntbridge dev` for the command line."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.cli import Dev
from tests.support.fixtures import bridge, client

__all__ = ["bridge", "client"]

ELSEWHERE = {
    "NATS_URL": "nats://nowhere.invalid:4222",
    "TEMPORAL_ADDRESS": "nowhere.invalid:7233",
    "TEMPORAL_NAMESPACE": "elsewhere",
    "DATABASE_URL": "postgresql://nowhere.invalid/elsewhere",
    "NTBRIDGE_NATS__PREFIX": "elsewhere",
    "PGPORT": "none",
}
"""What happens to be exported where `ntbridge dev` is started."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def dev(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Dev]:
    """A running `ntbridge dev` that the tests of the command line share."""
    child = Dev(tmp_path_factory.mktemp("dev"), env=ELSEWHERE)
    await child.start()
    yield child
    await child.stop()
