"""The bridge of a pipelines' test; a folder's conftest imports it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.devstack.addresses import Addresses
from tests.support.daemon import set_up
from tests.support.pipelines_bridge import PipelinesBridge
from tests.support.services import ending_services


@pytest.fixture
async def pipelines_bridge(
    stack: Addresses, migrated_database_url: str, prefix: str, task_queue: str, tmp_path: Path
) -> AsyncIterator[PipelinesBridge]:
    """A bridge of the test's own with the sample routes, set up and not running.

    The services that its runs have deployed end with the test.
    """
    async with ending_services(migrated_database_url):
        yield await set_up(
            PipelinesBridge, stack, migrated_database_url, prefix, task_queue, tmp_path
        )
