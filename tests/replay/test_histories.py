"""Recorded histories still replay: a failure means that open runs would break.

Record anew only when no such run can be open (``tests/replay/record.py``); otherwise the change
needs ``workflow.patched``, and a new history beside the old ones.
"""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from bridge.runtime.codec import CodecSettings, data_converter
from tests.replay.recorded import RECORDED
from workflows.worker.sandbox import sandbox

FOLDER = Path(__file__).parent / "histories"
HISTORIES = sorted(FOLDER.rglob("*.json"))


def workflow_of(path: Path) -> str:
    """The workflow's folder; histories of earlier versions are in folders of their own in it."""
    return path.relative_to(FOLDER).parts[0]


def recorded(path: Path) -> WorkflowHistory:
    text = path.read_text()
    begun = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    # What a run does may depend on its own id.
    return WorkflowHistory.from_json(begun["workflowId"], text)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: str(path.relative_to(FOLDER)))
async def test_the_history_replays(path: Path) -> None:
    replayer = Replayer(
        workflows=[RECORDED[workflow_of(path)].workflow],
        workflow_runner=sandbox(),
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(recorded(path))


async def test_a_history_of_before_the_codec_replays_with_it() -> None:
    settings = CodecSettings(keys={"k1": SecretStr("A" * 43 + "=")}, current="k1")
    path = HISTORIES[0]
    replayer = Replayer(
        workflows=[RECORDED[workflow_of(path)].workflow],
        workflow_runner=sandbox(),
        data_converter=data_converter(settings, "default", pydantic_data_converter),
    )
    await replayer.replay_workflow(recorded(path))


@pytest.mark.parametrize("name", RECORDED)
def test_every_branch_has_a_history(name: str) -> None:
    recorded = {path.stem for path in HISTORIES if path.parent == FOLDER / name}
    assert recorded >= {branch.name for branch in RECORDED[name].branches}
