"""What a person sees of a run, from its result events."""

import pytest

from workflows.commands.inputs import merged
from workflows.commands.stages import Stages
from workflows.errors import CommandError
from workflows.pipelines.catalogue import pipeline


def stages(name: str = "devsecops") -> Stages:
    found = pipeline(name)
    assert found is not None
    return Stages(found, began=100.0)


def states(of: Stages) -> list[str]:
    return [step.state for step in of.steps]


def test_the_first_phase_runs_from_the_beginning() -> None:
    assert states(stages()) == ["running", *["ahead"] * 5]


def test_a_phase_that_is_told_is_done_and_the_next_one_runs() -> None:
    of = stages()
    step = of.take("code-generated", {}, 101.5)
    assert step is not None
    assert (step.phase, step.seconds) == ("generate code", 1.5)
    assert states(of) == ["done", "running", *["ahead"] * 4]


def test_an_event_that_ends_no_phase_changes_nothing() -> None:
    of = stages()
    assert of.take("fingerprint-recorded", {}, 101.0) is None
    assert states(of) == ["running", *["ahead"] * 5]


def test_a_phase_that_was_passed_over_is_skipped() -> None:
    of = stages("complete-code")
    for name in ("code-generated", "tests-generated", "tests-executed", "security-scanned"):
        of.take(name, {}, 101.0)
    of.take("deployed", {}, 102.0)
    assert states(of)[4:] == ["skipped", "skipped", "skipped", "done", "running"]


def test_a_warning_says_why() -> None:
    of = stages()
    step = of.take("monitoring-failed", {"reason": "no disk"}, 101.0)
    assert step is not None
    assert (step.state, step.note) == ("warned", "no disk")
    of.close({"warnings": ["no monitoring: no disk"]}, 101.5, failed=False)
    assert (of.outcome, of.reason) == ("completed", "no monitoring: no disk")


def test_a_version_that_goes_back_to_the_model_is_shown_until_one_passes() -> None:
    of = stages("code-generation")
    finding = {"check": "ruff", "rule": "F821", "message": "undefined\n name", "line": 2}
    style = {"check": "ruff", "rule": "F401", "message": "unused", "style": True}
    for name in ("prompt-parsed", "code-generated"):
        of.take(name, {}, 101.0)
    step = of.take("code-rejected", {"number": 1, "findings": [style, finding]}, 102.0)
    assert step is of.steps[2]
    assert (step.state, step.note) == (
        "running",
        "round 1: ruff F821 in line 2: undefined name",
    )
    of.take("code-generated", {}, 103.0)
    assert (states(of), of.steps[2].note) == (["done", "done", "running", "ahead"], step.note)
    of.take("code-validated", {}, 104.0)
    assert (states(of), of.steps[2].note) == (["done", "done", "done", "running"], "")
    assert [step.seconds for step in of.steps[:3]] == [1, 1, 2], "of all rounds together"


def test_an_answer_without_code_is_shown_as_a_round() -> None:
    of = stages("code-generation")
    of.take("prompt-parsed", {}, 101.0)
    of.take("code-rejected", {"number": 1, "findings": []}, 102.0)
    assert states(of) == ["done", "skipped", "running", "ahead"]
    of.take("code-generated", {}, 103.0)
    assert states(of) == ["done", "done", "running", "ahead"]
    assert of.steps[2].note == "round 1: it does not pass"


def test_whoever_is_waited_for_is_told_until_the_phase_ends() -> None:
    of = stages("complete-code")
    for name in ("code-generated", "tests-generated", "tests-executed", "security-scanned"):
        of.take(name, {}, 101.0)
    told = of.ask({"may_answer": ["alice", "bob"], "until": "2026-01-02T03:04:05Z"})
    assert "alice, bob until 2026-01-02T03:04:05Z" in told
    assert of.steps[4].note == told
    of.take("security-review-granted", {}, 102.0)
    assert of.steps[4].note == ""


def test_a_failure_says_where_why_and_what_was_undone() -> None:
    of = stages()
    of.take("code-generated", {}, 101.0)
    of.close(
        {
            "reason": "no tests",
            "undone": [{"what": "clean up the code"}],
            "left_behind": [{"what": "destroy it", "reason": "locked"}],
        },
        103.0,
        failed=True,
    )
    assert states(of)[:3] == ["done", "failed", "ahead"]
    assert of.outcome == "failed"
    assert of.reason == "no tests; undone: clean up the code; NOT undone: destroy it (locked)"


def test_the_phase_that_failed_is_marked_although_its_event_came_before() -> None:
    of = stages("complete-code")
    of.take("code-generated", {}, 101.0)
    of.take("tests-generated", {}, 102.0)
    of.take("tests-executed", {"outcome": "failed"}, 104.0)
    of.close({"reason": "1 test fails", "phase": "execute tests"}, 105.0, failed=True)
    assert states(of)[:4] == ["done", "done", "failed", "ahead"]
    assert of.steps[2].seconds == 3.0


def test_the_phase_that_failed_is_marked_although_events_are_missing() -> None:
    of = stages("complete-code")
    of.close({"reason": "unhealthy", "phase": "deploy"}, 101.0, failed=True)
    assert states(of)[5:] == ["skipped", "skipped", "failed", "ahead"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [("REJECTED", "denied by bob"), ("TIMEOUT", "nobody answered within 24 h")],
)
def test_a_run_that_was_not_allowed_to_go_on_has_not_completed(
    status: str, reason: str
) -> None:
    of = stages("infra-provision")
    of.take("planned", {}, 101.0)
    of.close({"status": status, "reason": reason}, 103.0, failed=False)
    assert (of.outcome, of.reason) == (status.lower(), reason)
    assert states(of) == ["done", "failed", "ahead", "ahead"]
    assert of.steps[1].seconds == 2.0


def test_a_run_whose_own_status_is_completed_has_completed() -> None:
    of = stages("infra-provision")
    for name in ("planned", "provisioned"):
        of.take(name, {}, 101.0)
    of.close({"status": "COMPLETED", "reason": ""}, 103.0, failed=False)
    assert (of.outcome, of.reason) == ("completed", "")
    assert states(of) == ["done", "skipped", "skipped", "done"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"status": "terminated"}, "the run was terminated"),
        ({"status": "timed-out", "failure": {"message": "too late"}}, "too late"),
    ],
)
def test_a_run_that_could_not_tell_its_end_is_told_by_the_bridge(
    data: dict[str, object], reason: str
) -> None:
    of = stages()
    of.close(data, 103.0, failed=True)
    assert (of.outcome, of.reason) == ("failed", reason)


def test_inputs_go_over_the_data() -> None:
    data = {"prompt": "a", "limits": {"size": 1, "age": 2}}
    assert merged(data, ["prompt=b c=d", "limits.size=5", "new.inner=[1]", "flag=true"]) == {
        "prompt": "b c=d",
        "limits": {"size": 5, "age": 2},
        "new": {"inner": [1]},
        "flag": True,
    }
    assert data == {"prompt": "a", "limits": {"size": 1, "age": 2}}, "the sample stays as it is"


@pytest.mark.parametrize(
    ("data", "inputs", "says"),
    [
        ("{", [], "--data is not JSON"),
        ("[]", ["a=1"], "inputs need an object"),
        ({}, ["a"], "an input must be name=value, not 'a'"),
        ({}, ["a..b=1"], "an input must be name=value"),
        ({"a": 1}, ["a.b=1"], "cannot set a.b: a is not an object"),
    ],
)
def test_a_wrong_input_is_told(data: object, inputs: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says) as told:
        merged(data, inputs)
    assert told.value.exit_code == 2
