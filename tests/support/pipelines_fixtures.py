"""The bridge of a pipelines' test; a folder's conftest imports it."""

from pathlib import Path

import pytest

from bridge.devstack.addresses import Addresses
from tests.support.daemon import set_up
from tests.support.pipelines import PipelinesBridge


@pytest.fixture
async def pipelines_bridge(
    stack: Addresses, migrated_database_url: str, prefix: str, task_queue: str, tmp_path: Path
) -> PipelinesBridge:
    """A bridge of the test's own with the sample routes, set up and not running."""
    return await set_up(
        PipelinesBridge, stack, migrated_database_url, prefix, task_queue, tmp_path
    )
