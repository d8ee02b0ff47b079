"""The bridge of a pipelines' test; a folder's conftest imports it."""

from pathlib import Path

import pytest

from bridge.devstack.addresses import Addresses
from tests.support.pipelines import PipelinesBridge


@pytest.fixture
async def pipelines_bridge(
    stack: Addresses, migrated_database_url: str, prefix: str, task_queue: str, tmp_path: Path
) -> PipelinesBridge:
    """A bridge of the test's own with the sample routes, set up and not running."""
    made = PipelinesBridge(
        addresses=stack,
        database_url=migrated_database_url,
        prefix=prefix,
        task_queue=task_queue,
        folder=tmp_path,
    )
    await made.set_up()
    return made
