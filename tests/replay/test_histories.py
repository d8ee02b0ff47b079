"""Recorded histories still replay: a failure means that open runs would break.

Record anew only when no such run can be open (``tests/replay/record.py``); otherwise the change
needs ``workflow.patched``, and a new history beside the old ones.
"""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from tests.replay.branches import BRANCHES
from workflows.code_generation import CodeGenerationWorkflow
from workflows.sandbox import sandbox

HISTORIES = sorted((Path(__file__).parent / "histories").rglob("*.json"))


def recorded(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text())


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_the_history_replays(path: Path) -> None:
    replayer = Replayer(
        workflows=[CodeGenerationWorkflow],
        workflow_runner=sandbox(),
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(recorded(path))


def test_every_branch_has_a_history() -> None:
    recorded = {path.stem for path in HISTORIES if path.parent.name == "code-generation"}
    assert recorded >= {branch.name for branch in BRANCHES}
