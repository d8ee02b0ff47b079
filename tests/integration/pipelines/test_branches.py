"""The pipelines from a published event to the closing result event, in every branch."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from bridge.jetstream.publishing import complete
from bridge.samples.event_types import names, violation
from tests.integration.pipelines.conftest import Outcomes, Running
from tests.support.killed_scenarios import KILLED
from tests.support.pipelines import Effects, Outcome, Scenario
from tests.support.scenarios import IMPACT_TOO_HIGH, REVIEW_TIMED_OUT, SCENARIOS
from tests.support.scheduled import assert_limits, scheduled
from workflows.messages.phases import PhaseReport
from workflows.pipelines.complete_code_pipeline import CompleteCodePipelineWorkflow
from workflows.pipelines.devsecops_pipeline import DevSecOpsPipelineWorkflow
from workflows.worker.sandbox import sandbox

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ALL = (*SCENARIOS, REVIEW_TIMED_OUT, IMPACT_TOO_HIGH, *KILLED)
DEVSECOPS_MADE = Effects(("reports", "results"), 1, 1, 1, 1, 1)
COMPLETE_MADE = Effects(("uploads",), 1, 1, 0, 1, 1)


def undone(outcome: Outcome) -> list[str]:
    return [each["what"] for each in outcome.closing["undone"]]


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
async def test_every_branch_ends_as_it_says(scenario: Scenario, outcomes: Outcomes) -> None:
    outcome = outcomes[scenario.name]
    assert [told.name for told in outcome.told] == list(scenario.emits)
    assert outcome.status == scenario.status
    if scenario.error is not None:
        assert outcome.closing["error"] == scenario.error
        assert outcome.closing["reason"]


async def test_every_event_fits_the_schema_that_ships(outcomes: Outcomes) -> None:
    for name, outcome in outcomes.items():
        for told in outcome.told:
            event_type = f"io.quantum-suite.{outcome.scenario.pipeline}.{told.name}.v1"
            assert event_type in names()
            event = complete({"source": "/tests", "type": event_type, "data": told.data})
            assert violation(event) is None, f"{event_type} of {name}"


@pytest.mark.parametrize(
    ("name", "phase"),
    [
        ("input-invalid", None),
        ("no-tests", "generate tests"),
        ("critical-finding", "security scan"),
        ("deploy-fails", "deploy application"),
        ("tests-fail", "execute tests"),
        ("review-denied", "security review"),
        ("not-verified", "verify deployment"),
    ],
)
async def test_the_closing_event_names_the_phase_that_failed(
    name: str, phase: str | None, outcomes: Outcomes
) -> None:
    assert outcomes[name].closing["phase"] == phase


@pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: scenario.name)
async def test_every_branch_replays(scenario: Scenario, outcomes: Outcomes) -> None:
    replayer = Replayer(
        workflows=[DevSecOpsPipelineWorkflow, CompleteCodePipelineWorkflow],
        workflow_runner=sandbox(),
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(await outcomes[scenario.name].handle.fetch_history())


async def test_what_a_run_makes_is_there(outcomes: Outcomes) -> None:
    assert outcomes["completed"].effects == DEVSECOPS_MADE
    assert outcomes["complete"].effects == COMPLETE_MADE
    result = outcomes["complete"].closing
    assert result["verification"]["passed"]
    assert result["tests_passed"] >= 1
    assert result["code"]["agent"] == "qagent-v1"
    assert result["tests"]["agent"] == "qtest-v1"
    for name in ("completed", "complete"):
        closing = outcomes[name].closing
        assert sorted(closing["files"]) == ["generated.py", "test_generated.py"], (
            "code and tests"
        )
        assert closing["release"]["serves"] == "functions"
        assert closing["release"]["address"].startswith("http://127.0.0.1:")


async def test_a_failure_of_monitoring_is_a_warning(outcomes: Outcomes) -> None:
    outcome = outcomes["monitoring-fails"]
    assert outcome.closing["warnings"] == ["no monitoring: no disk"]
    assert outcome.closing["monitoring"] is None
    assert outcome.effects.in_force == 1


@pytest.mark.parametrize(
    ("name", "compensations"),
    [
        ("input-invalid", 0),
        ("no-tests", 2),
        ("never-repaired", 1),
        ("complete-never-repaired", 1),
        ("critical-finding", 2),
        ("infrastructure-fails", 3),
        ("deploy-fails", 4),
        ("withdrawn", 4),
        ("withdrawn-when-watched", 5),
        ("bad-input", 0),
        ("tests-fail", 2),
        ("review-denied", 2),
        ("review-timed-out", 2),
        ("withdrawn-in-review", 2),
        ("release-unwell", 4),
        ("not-verified", 4),
    ],
)
async def test_nothing_is_left_of_a_run_that_could_not_go_on(
    name: str, compensations: int, outcomes: Outcomes
) -> None:
    outcome = outcomes[name]
    assert len(undone(outcome)) == compensations
    assert outcome.closing["left_behind"] == []
    left = outcome.effects
    assert (left.resources, left.in_force, left.rules, left.patterns) == ((), 0, 0, 0)


async def test_the_last_thing_done_is_undone_first(outcomes: Outcomes) -> None:
    assert undone(outcomes["deploy-fails"]) == [
        "take the release back",
        "destroy the infrastructure",
        "clean up the tests",
        "clean up the code",
    ]


async def test_what_could_not_be_undone_is_told_and_the_rest_is_undone(
    outcomes: Outcomes,
) -> None:
    outcome = outcomes["compensation-fails"]
    (left,) = outcome.closing["left_behind"]
    assert left == {
        "what": "destroy the infrastructure",
        "reason": "locked by somebody",
        "error": "ScriptedError",
    }
    assert len(undone(outcome)) == 3
    assert outcome.effects.resources == ("reports", "results")
    assert (outcome.effects.in_force, outcome.effects.patterns) == (0, 0)


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("completed", ["done"] * 6),
        ("deploy-fails", [*["done"] * 4, "failed", "ahead", "done"]),
        ("input-invalid", ["ahead"] * 6),
        ("complete", [*["done"] * 4, "skipped", "skipped", *["done"] * 3]),
        ("review-denied", [*["done"] * 4, "failed", *["ahead"] * 4, "done"]),
    ],
)
async def test_the_phases_of_a_run_tell_where_it_failed_and_that_it_was_undone(
    name: str, states: list[str], outcomes: Outcomes
) -> None:
    report = await outcomes[name].handle.query("phases", result_type=PhaseReport)
    assert [phase.state.value for phase in report.phases] == states
    assert report.current is None
    assert (report.phases[-1].name == "undo") == (len(states) in {7, 10})


async def test_a_failed_test_ends_the_run_with_the_count(outcomes: Outcomes) -> None:
    reason = outcomes["tests-fail"].closing["reason"]
    assert reason.startswith("1 of 2 tests failed")
    assert outcomes["tests-fail"].data("tests-executed")["passed"] == 1


@pytest.mark.parametrize("name", ["never-repaired", "complete-never-repaired"])
async def test_code_that_never_passes_ends_the_run_with_all_rounds(
    name: str, outcomes: Outcomes
) -> None:
    closing = outcomes[name].closing
    assert [each["number"] for each in closing["rounds"]] == [1, 2]
    assert outcomes[name].data("code-rejected") == closing["rounds"][0]
    assert closing["reason"].startswith("the generated code does not pass after 2 rounds.")


async def test_only_the_security_team_decides(outcomes: Outcomes) -> None:
    outcome = outcomes["review-granted"]
    assert outcome.data("security-review-refused")["who"] == "mallory"
    review = outcome.closing["review"]
    assert (review["who"], review["why"]) == ("alice", "a false positive")
    assert "alice: withdraw the password" in outcomes["review-denied"].closing["reason"]


async def test_the_security_team_is_told_of_critical_findings(
    pipelines: Running, outcomes: Outcomes
) -> None:
    outcome = outcomes["review-granted"]
    (told,) = pipelines.people.about(outcome.handle.id)
    assert told["to"] == outcome.data("security-review-requested")["may_answer"]
    assert "alice" in told["to"]
    assert told["kind"] == "io.quantum-suite.complete-code.security-review-requested.v1"
    assert told["severity"] == "critical"


async def test_a_fingerprint_that_cannot_be_taken_is_logged_and_fails_nothing(
    pipelines: Running, outcomes: Outcomes
) -> None:
    outcome = outcomes["not-fingerprinted"]
    assert outcome.effects == DEVSECOPS_MADE
    assert (outcome.closing["code"], outcome.closing["tests"]) == (None, None)
    log = pipelines.worker.command.log.read_text()
    entries = [json.loads(line) for line in log.splitlines() if "no fingerprint of" in line]
    mine = [each for each in entries if outcome.handle.id in json.dumps(each)]
    assert {each["level"] for each in mine} == {"warning"}
    assert all("no key for signing" in each["event"] for each in mine)


@pytest.mark.parametrize("name", ["completed", "deploy-fails", "complete", "review-granted"])
async def test_every_step_has_its_limits_and_says_what_it_does(
    name: str, outcomes: Outcomes
) -> None:
    history = await outcomes[name].handle.fetch_history()
    assert_limits(history, timedelta(minutes=15), tries=3)
    assert all(len(each.summary) > 5 for each in scheduled(history))


async def test_the_whole_of_complete_code_may_take_48_hours(outcomes: Outcomes) -> None:
    first = (await outcomes["complete"].handle.fetch_history()).events[0]
    begun = first.workflow_execution_started_event_attributes
    assert begun.workflow_execution_timeout.ToTimedelta() == timedelta(hours=48)


async def test_an_environment_is_not_emptied_without_anybody_being_asked(
    outcomes: Outcomes,
) -> None:
    outcome = outcomes["impact-too-high"]
    assert "InfraProvisionWorkflow" in outcome.closing["reason"]
    assert outcome.effects == replace(DEVSECOPS_MADE, patterns=0), "what another run made stays"


@pytest.mark.parametrize("scenario", KILLED, ids=lambda scenario: scenario.name)
async def test_a_killed_worker_doubles_nothing_and_leaves_nothing_behind(
    scenario: Scenario, outcomes: Outcomes
) -> None:
    effects = outcomes[scenario.name].effects
    if scenario.error is None:
        assert effects == DEVSECOPS_MADE
    else:
        assert (effects.resources, effects.in_force, effects.rules) == ((), 0, 0)
        assert effects.revisions == 2, "made and unmade, once each"
