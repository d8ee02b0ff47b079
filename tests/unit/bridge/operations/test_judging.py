"""What signal and update make of Temporal's answers. Temporal is a script here."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from bridge.operations import OPERATIONS
from bridge.operations.calls import CallError, Run, UpdateAnswer
from tests.support.operations import carry_out
from tests.unit.bridge.operations.cases import CLOSED, EVENT, OPEN, START, gist, of
from tests.unit.bridge.operations.script import AWAY, GONE, NO_NAMESPACE, Script

# signal

SIGNALS: list[tuple[dict[str, Any], Script, tuple[str, str | None, str | None]]] = [
    ({}, Script(signal="run-1"), ("done", None, "run-1")),
    ({}, Script(signal=""), ("done", None, None)),
    ({}, Script(signal=AWAY), ("open", "transient", None)),
    ({}, Script(signal=NO_NAMESPACE), ("open", "environment", None)),
    ({}, Script(signal=GONE, describe=GONE), ("dead", "target-closed", None)),
    ({}, Script(signal=GONE, describe=OPEN), ("open", "transient", None)),
    (
        {},
        Script(signal=GONE, describe=CLOSED, received=False),
        ("dead", "target-closed", None),
    ),
    ({}, Script(signal=GONE, describe=CLOSED, received=True), ("done", None, "run-1")),
    ({}, Script(signal=GONE, describe=AWAY), ("open", "transient", None)),
    ({}, Script(signal=GONE, describe=CLOSED, received=AWAY), ("open", "transient", None)),
    (
        {"when_missing": "drop"},
        Script(signal=GONE, describe=GONE),
        ("skipped", "target-closed", None),
    ),
    (
        {"when_missing": "wait"},
        Script(signal=GONE, describe=GONE),
        ("waiting", "target-closed", None),
    ),
    (
        {"when_missing": "start", "start": START},
        Script(signal=GONE, signal_with_start=Run(run_id="run-2")),
        ("done", None, "run-2"),
    ),
]


@pytest.mark.parametrize(("spec", "script", "expected"), SIGNALS)
async def test_signal(
    spec: dict[str, Any], script: Script, expected: tuple[str, str | None, str | None]
) -> None:
    assert gist(await carry_out(script, of("signal", **spec), EVENT)) == expected
    assert script.done


async def test_the_history_is_read_from_before_the_plan_whatever_the_clocks_say() -> None:
    dispatch = of("signal")
    script = Script(signal=GONE, describe=CLOSED, received=False)
    await carry_out(script, dispatch, EVENT)
    _, workflow_id, run_id, request_id, since = script.asked[-1]
    assert (workflow_id, run_id, request_id) == ("order-7", "run-1", dispatch.request_id)
    assert since <= dispatch.planned_at - timedelta(minutes=5)


async def test_waiting_looks_again_sooner_at_first() -> None:
    dispatch = of("signal", when_missing="wait", wait_for="10m")
    pauses = []
    for attempts in (0, 1, 2, 5, 1000):
        script = Script(signal=GONE, describe=GONE)
        outcome = await carry_out(script, replace(dispatch, attempts=attempts), EVENT)
        pauses.append(outcome.pause)
    assert pauses == [1, 2, 4, 30, 30]


# update

UPDATES: list[tuple[str, UpdateAnswer | CallError, tuple[str, str | None]]] = [
    ("accepted", UpdateAnswer(stage="accepted", run_id="run-1"), ("done", None)),
    ("accepted", UpdateAnswer(stage="completed", run_id="run-1"), ("done", None)),
    ("completed", UpdateAnswer(stage="completed", run_id="run-1"), ("done", None)),
    ("completed", UpdateAnswer(stage="accepted", run_id="run-1"), ("open", "accepted")),
    ("accepted", UpdateAnswer(stage="admitted", run_id="run-1"), ("open", "no-worker")),
    (
        "accepted",
        UpdateAnswer(stage="completed", run_id="run-1", rejected="no"),
        ("dead", "rejected"),
    ),
    (
        "completed",
        UpdateAnswer(stage="completed", run_id="run-1", failed="no"),
        ("dead", "update-failed"),
    ),
    ("accepted", UpdateAnswer(stage="completed", run_id="run-1", failed="no"), ("done", None)),
    ("accepted", CallError("CANCELLED", "Timeout expired"), ("open", "transient")),
]


@pytest.mark.parametrize(("stage", "answer", "expected"), UPDATES)
async def test_update(
    stage: str, answer: UpdateAnswer | CallError, expected: tuple[str, str | None]
) -> None:
    outcome = await carry_out(Script(update=answer), of("update", wait_stage=stage), EVENT)
    assert (outcome.state, outcome.code) == expected
    if outcome.state == "dead":
        assert outcome.error == "no"
    if outcome.state == "open":
        assert outcome.pause > 0
        assert (outcome.error is None) == (outcome.code == "accepted")


async def test_an_update_whose_target_is_gone() -> None:
    script = Script(update=GONE, describe=CLOSED, received=True)
    assert (await carry_out(script, of("update"), EVENT)).state == "done"
    script = Script(update=GONE, describe=GONE)
    assert (await carry_out(script, of("update"), EVENT)).code == "target-closed"


def test_a_plan_is_json_and_nothing_else() -> None:
    for name in OPERATIONS:
        call = msgspec.json.decode(of(name).call)
        assert isinstance(call, dict)
