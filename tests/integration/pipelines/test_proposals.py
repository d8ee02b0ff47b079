"""Code that a pipeline proposes as a branch: what it holds, and what becomes of the run."""

import json
from hashlib import sha256
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from tests.integration.pipelines.conftest import Running
from tests.support.git_repository import git
from tests.support.pipelines import Outcome, Scenario, Started
from tests.support.scenarios import FAILED, LIGHT, TESTED, UNDONE, UNWELL, VERIFIED
from workflows.adapters.qlafs import dsse
from workflows.adapters.qlafs.keys import load_public
from workflows.adapters.qlafs.statements import subjects_of
from workflows.messages.provenance import SignedEnvelope
from workflows.steps import qtest

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

PROVISIONED = ("infrastructure-provisioned", *VERIFIED)


def scenario(name: str, proposal: str, **more: Any) -> Scenario:
    return Scenario(
        name=name,
        pipeline="complete-code",
        acts=LIGHT,
        data={"service": "shop", "proposal": proposal, **more},
    )


async def proposed(pipelines: Running, started: Started) -> str:
    await pipelines.system.told(started, "proposed")
    branches = await pipelines.repository.branches()
    (branch,) = branches - pipelines.repository.known
    pipelines.repository.known.add(branch)
    return branch


def names(outcome: Outcome) -> list[str]:
    return [told.name for told in outcome.told]


async def executed(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """What the step that runs the tests was given, from the recorded history."""
    for event in (await handle.fetch_history()).events:
        step = event.activity_task_scheduled_event_attributes
        if step.activity_type.name == qtest.execute_tests.name:
            given: dict[str, Any] = json.loads(step.input.payloads[0].data)
            return given
    raise AssertionError("no tests were executed")


async def test_the_branch_has_exactly_what_was_tested_and_signed_and_its_merge_approves(
    pipelines: Running,
) -> None:
    started = await pipelines.system.publish(scenario("proposal-merged", "merge"))
    branch = await proposed(pipelines, started)
    files = await pipelines.repository.files(branch)
    await pipelines.repository.merge(branch)
    outcome = await pipelines.system.outcome(started)
    assert names(outcome) == [*TESTED, "proposed", "proposal-merged", *PROVISIONED]
    assert outcome.closing["merge"]["who"] == "Ann <ann@example.com>"
    assert outcome.closing["proposal"]["branch"] == branch

    tested = await executed(outcome.handle)
    code, tests = files["generated.py"], files["test_generated.py"]
    assert (code, tests) == (tested["code"], tested["tests"])
    key = load_public([pipelines.system.bridge.state / "qlafs.pub"])
    for path, content in (("generated.py", code), ("test_generated.py", tests)):
        envelope = SignedEnvelope.model_validate_json(files[f"provenance/{path}.dsse.json"])
        assert subjects_of(dsse.opened(envelope, key)) == {sha256(content.encode()).hexdigest()}
    assert len(files) == 4


async def test_a_proposal_that_people_close_ends_the_run(pipelines: Running) -> None:
    started = await pipelines.system.publish(scenario("proposal-closed", "merge"))
    branch = await proposed(pipelines, started)
    await git(pipelines.repository.path, "branch", "-D", branch)
    outcome = await pipelines.system.outcome(started)
    assert names(outcome) == [*TESTED, "proposed", *UNDONE]
    assert outcome.closing["error"] == "ReviewRefusedError"
    assert outcome.closing["phase"] == "propose code"
    assert outcome.closing["left_behind"] == []


async def test_a_run_that_fails_later_withdraws_its_proposal(pipelines: Running) -> None:
    wanted = scenario("proposal-withdrawn", "branch", smoke_check=UNWELL)
    started = await pipelines.system.publish(wanted)
    outcome = await pipelines.system.outcome(started)
    assert (outcome.status, outcome.closing["error"]) == (FAILED, "DeploymentUnhealthyError")
    assert "withdraw the proposal" in [each["what"] for each in outcome.closing["undone"]]
    branches = await pipelines.repository.branches()
    assert outcome.data("proposed")["branch"] not in branches
