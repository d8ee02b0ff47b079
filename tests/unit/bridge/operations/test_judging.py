"""What each operation makes of Temporal's answers. Temporal is a script here."""

import base64
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from msgspec.structs import replace

from bridge.operations import OPERATIONS
from bridge.operations.base import Dispatch
from bridge.operations.calls import CallError, Run, UpdateAnswer
from bridge.operations.outcomes import Outcome
from eventstore.events import Event
from tests.support.operations import carry_out, dispatch_of, event_of
from tests.unit.bridge.operations.script import AWAY, GONE, NO_NAMESPACE, Script, taken

START = {"workflow": "Ship", "task_queue": "shop"}
EVENT = event_of({"id": "order-7"})
OURS = Run(run_id="run-1", event_uid=str(EVENT.uid), route="ship", status="completed")
OTHERS = Run(run_id="run-1", event_uid=str(uuid4()), route="ship", status="completed")
OPEN = Run(run_id="run-1", first_run_id="run-0", status="running")
CLOSED = Run(run_id="run-1", first_run_id="run-0", status="completed")
CANCELLING = replace(OPEN, cancel_requested=True)
CONTINUED = replace(CLOSED, status="continued-as-new")
SUCCESSOR = Run(run_id="run-9", first_run_id="run-9", status="running")
TOKEN = base64.b64encode(b"\x12\x01w\x1a\x05run-1\x32\x01a").decode()
"""Of the activity a of workflow w, run-1."""
NONE = None
"""The answer of calls that answer nothing."""


def of(name: str, *, event: Event = EVENT, run_id: str | None = None, **spec: Any) -> Dispatch:
    needed: dict[str, Any] = {
        "start": START,
        "signal": {"signal": "paid", "workflow_id": "data.id"},
        "signal_with_start": {**START, "signal": "paid", "workflow_id": "data.id"},
        "update": {"update": "pay", "workflow_id": "data.id"},
        "update_with_start": {**START, "update": "pay", "workflow_id": "data.id"},
        "cancel": {"workflow_id": "data.id"},
        "terminate": {"workflow_id": "data.id"},
        "start_activity": {
            "activity": "A",
            "task_queue": "q",
            "start_to_close_timeout": "1m",
        },
        "complete_activity": {"token": f"'{TOKEN}'"},
        "fail_activity": {"token": f"'{TOKEN}'", "message": "'no'"},
    }[name]
    return replace(dispatch_of({name: {**needed, **spec}}, event), run_id=run_id)


def gist(outcome: Outcome) -> tuple[str, str | None, str | None]:
    return outcome.state, outcome.code, outcome.run_id


# start

STARTS: list[tuple[Script, tuple[str, str | None, str | None]]] = [
    (Script(start=Run(run_id="run-1")), ("done", None, "run-1")),
    (Script(start=Run(run_id="run-1", started=False)), ("done", "joined", "run-1")),
    (Script(start=taken("run-1", of("start").request_id)), ("done", None, "run-1")),
    (Script(start=taken("run-1"), describe=OURS), ("duplicate", None, "run-1")),
    (Script(start=taken("run-1"), describe=OTHERS), ("collision", "collision", "run-1")),
    (Script(start=taken("run-1"), describe=CLOSED), ("collision", "collision", "run-1")),
    (
        Script(start=taken("run-1"), describe=replace(OURS, route="another")),
        ("collision", "collision", "run-1"),
    ),
    (Script(start=taken("run-1"), describe=GONE), ("open", "transient", None)),
    (Script(start=taken("run-1"), describe=AWAY), ("open", "transient", None)),
    (Script(start=AWAY), ("open", "transient", None)),
    (Script(start=NO_NAMESPACE), ("open", "environment", None)),
]


@pytest.mark.parametrize(("script", "expected"), STARTS)
async def test_start(script: Script, expected: tuple[str, str | None, str | None]) -> None:
    outcome = await carry_out(script, of("start"), EVENT)
    assert gist(outcome) == expected
    assert script.done
    if outcome.state == "collision":
        assert "event uid" in (outcome.error or "")


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


# signal_with_start

SIGNAL_WITH_STARTS: list[tuple[dict[str, Any], Script, tuple[str, str | None, str | None]]] = [
    ({}, Script(signal_with_start=Run(run_id="run-1")), ("done", None, "run-1")),
    (
        {},
        Script(signal_with_start=taken("run-1", of("signal_with_start").request_id)),
        ("done", None, "run-1"),
    ),
    (
        {},
        Script(signal_with_start=taken("run-1"), describe=OURS),
        ("duplicate", None, "run-1"),
    ),
    (
        {},
        Script(signal_with_start=taken("run-1"), describe=[OTHERS, OTHERS], received=True),
        ("done", None, "run-1"),
    ),
    (
        {},
        Script(
            signal_with_start=[taken("run-1"), Run(run_id="run-2")],
            describe=[OTHERS, OTHERS],
            received=False,
        ),
        ("done", None, "run-2"),
    ),
    (
        {"id_reuse_policy": "reject-duplicate"},
        Script(signal_with_start=taken("run-1"), describe=[OTHERS, OTHERS], received=False),
        ("collision", "collision", "run-1"),
    ),
    (
        {"id_reuse_policy": "allow-failed-only"},
        Script(
            signal_with_start=[taken("run-1"), taken("run-1")],
            describe=[OTHERS, OTHERS],
            received=False,
        ),
        ("collision", "collision", "run-1"),
    ),
    ({}, Script(signal_with_start=AWAY), ("open", "transient", None)),
    (
        {},
        Script(
            signal_with_start=[taken("run-1"), AWAY], describe=[OTHERS, OTHERS], received=False
        ),
        ("open", "transient", None),
    ),
]


@pytest.mark.parametrize(("spec", "script", "expected"), SIGNAL_WITH_STARTS)
async def test_signal_with_start(
    spec: dict[str, Any], script: Script, expected: tuple[str, str | None, str | None]
) -> None:
    assert gist(await carry_out(script, of("signal_with_start", **spec), EVENT)) == expected
    assert script.done
    policies = [
        asked[1].options.id_reuse_policy
        for asked in script.asked
        if asked[0] == "signal_with_start"
    ]
    assert policies[0] == "reject-duplicate"
    assert {
        asked[1].request_id for asked in script.asked if asked[0] == "signal_with_start"
    } == {of("signal_with_start").request_id}


# update_with_start

ACCEPTED = UpdateAnswer(stage="accepted", run_id="run-1")
NEXT = UpdateAnswer(stage="accepted", run_id="run-2")
REFUSED = UpdateAnswer(stage="completed", run_id="run-1", rejected="no")
UPDATE_WITH_STARTS: list[tuple[dict[str, Any], Script, tuple[str, str | None, str | None]]] = [
    ({}, Script(update_with_start=ACCEPTED), ("done", None, "run-1")),
    ({}, Script(update_with_start=REFUSED), ("dead", "rejected", "run-1")),
    (
        {},
        Script(update_with_start=UpdateAnswer(stage="admitted", run_id="run-1")),
        ("open", "no-worker", "run-1"),
    ),
    ({}, Script(update_with_start=taken("run-1"), update=ACCEPTED), ("done", None, "run-1")),
    (
        {},
        Script(update_with_start=taken("run-1"), update=GONE, describe=OURS),
        ("dead", "target-closed", "run-1"),
    ),
    (
        {},
        Script(update_with_start=[taken("run-1"), NEXT], update=GONE, describe=OTHERS),
        ("done", None, "run-2"),
    ),
    (
        {"id_reuse_policy": "reject-duplicate"},
        Script(update_with_start=taken("run-1"), update=GONE, describe=OTHERS),
        ("collision", "collision", "run-1"),
    ),
    (
        {"id_reuse_policy": "allow-failed-only"},
        Script(
            update_with_start=[taken("run-1"), taken("run-1")], update=GONE, describe=OTHERS
        ),
        ("collision", "collision", "run-1"),
    ),
    ({}, Script(update_with_start=AWAY, describe=AWAY), ("open", "transient", None)),
    ({}, Script(update_with_start=AWAY, describe=GONE), ("open", "transient", None)),
    ({}, Script(update_with_start=AWAY, describe=OPEN), ("open", "transient", None)),
    (
        {},
        Script(update_with_start=AWAY, describe=[OURS, OURS], update=GONE),
        ("dead", "target-closed", "run-1"),
    ),
    ({}, Script(update_with_start=NO_NAMESPACE), ("open", "environment", None)),
]


@pytest.mark.parametrize(("spec", "script", "expected"), UPDATE_WITH_STARTS)
async def test_update_with_start(
    spec: dict[str, Any], script: Script, expected: tuple[str, str | None, str | None]
) -> None:
    outcome = await carry_out(script, of("update_with_start", **spec), EVENT)
    assert gist(outcome) == expected
    assert script.done
    calls = [each for each in script.asked if each[0] == "update_with_start"]
    assert calls[0][1].options.id_reuse_policy == "reject-duplicate"
    assert {each[1].options.id_conflict_policy for each in calls} == {"use-existing"}
    assert {request.request_id for each in calls for request in each[1:]} == {
        of("update_with_start").request_id
    }
    # Every run that it may have started has a closure event.
    started = outcome.run_id is not None and outcome.state != "collision"
    assert outcome.closure == ("full" if started else None)


# activities

ACTIVITIES: list[tuple[str, dict[str, Any], Script, tuple[str, str | None, str | None]]] = [
    ("start_activity", {}, Script(start_activity=Run(run_id="r")), ("done", None, None)),
    (
        "start_activity",
        {},
        Script(start_activity=Run(run_id="r", started=False)),
        ("done", "joined", None),
    ),
    (
        "start_activity",
        {},
        Script(start_activity=taken("r", of("start_activity").request_id)),
        ("done", None, None),
    ),
    ("start_activity", {}, Script(start_activity=taken("r")), ("collision", "collision", None)),
    ("start_activity", {}, Script(start_activity=AWAY), ("open", "transient", None)),
    ("complete_activity", {}, Script(end_activity=NONE), ("done", None, None)),
    (
        "complete_activity",
        {},
        Script(end_activity=GONE, activity_ended=True),
        ("done", None, None),
    ),
    (
        "complete_activity",
        {},
        Script(end_activity=GONE, activity_ended=False),
        ("dead", "target-closed", None),
    ),
    (
        "complete_activity",
        {"when_missing": "drop"},
        Script(end_activity=GONE, activity_ended=False),
        ("skipped", "target-closed", None),
    ),
    (
        "complete_activity",
        {},
        Script(end_activity=GONE, activity_ended=AWAY),
        ("open", "transient", None),
    ),
    ("fail_activity", {}, Script(end_activity=NONE), ("done", None, None)),
    ("fail_activity", {}, Script(end_activity=AWAY), ("open", "transient", None)),
    ("fail_activity", {}, Script(end_activity=NO_NAMESPACE), ("open", "environment", None)),
]


@pytest.mark.parametrize(("name", "spec", "script", "expected"), ACTIVITIES)
async def test_activities(
    name: str,
    spec: dict[str, Any],
    script: Script,
    expected: tuple[str, str | None, str | None],
) -> None:
    assert gist(await carry_out(script, of(name, **spec), EVENT)) == expected
    assert script.done


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


# cancel and terminate

RESOLVING: list[tuple[Script, tuple[str, str | None, str | None]]] = [
    (Script(describe=OPEN), ("open", "resolved", "run-0")),
    (Script(describe=replace(OPEN, status="paused")), ("open", "resolved", "run-0")),
    (Script(describe=CLOSED), ("dead", "target-closed", None)),
    (Script(describe=GONE), ("dead", "target-closed", None)),
    (Script(describe=[CONTINUED, OPEN]), ("open", "resolved", "run-0")),
    (Script(describe=[CONTINUED, SUCCESSOR]), ("dead", "target-closed", None)),
    (Script(describe=AWAY), ("open", "transient", None)),
    (Script(describe=NO_NAMESPACE), ("open", "environment", None)),
]


@pytest.mark.parametrize("name", ["cancel", "terminate"])
@pytest.mark.parametrize("number", range(len(RESOLVING)))
async def test_the_execution_is_resolved_before_anything_is_done(
    name: str, number: int
) -> None:
    script, expected = RESOLVING[number]
    script = Script(**script.answers)
    outcome = await carry_out(script, of(name), EVENT)
    assert gist(outcome) == expected
    if outcome.code == "resolved":
        assert (outcome.error, outcome.pause) == (None, 0)


CANCELS: list[tuple[Script, tuple[str, str | None]]] = [
    (Script(cancel=NONE, describe=CANCELLING), ("done", None)),
    (Script(cancel=NONE, describe=replace(CANCELLING, status="canceled")), ("done", None)),
    (Script(cancel=NONE, describe=CLOSED), ("dead", "target-closed")),
    (Script(cancel=NONE, describe=GONE), ("dead", "target-closed")),
    (Script(cancel=GONE, describe=[SUCCESSOR, CLOSED]), ("dead", "target-closed")),
    (
        Script(cancel=GONE, describe=[SUCCESSOR, replace(CLOSED, cancel_requested=True)]),
        ("done", None),
    ),
    (Script(cancel=AWAY), ("open", "transient")),
    (Script(cancel=NONE, describe=AWAY), ("open", "transient")),
]


@pytest.mark.parametrize(("script", "expected"), CANCELS)
async def test_cancel(script: Script, expected: tuple[str, str | None]) -> None:
    dispatch = of("cancel", run_id="run-0")
    outcome = await carry_out(script, dispatch, EVENT)
    assert (outcome.state, outcome.code) == expected
    assert script.asked[0] == ("cancel", "order-7", "run-0", dispatch.request_id)
    assert script.done


TERMINATES: list[tuple[Script, tuple[str, str | None]]] = [
    (Script(terminate=NONE), ("done", None)),
    (Script(terminate=GONE, describe=replace(CLOSED, status="terminated")), ("done", None)),
    (Script(terminate=GONE, describe=CLOSED), ("dead", "target-closed")),
    (Script(terminate=GONE, describe=GONE), ("dead", "target-closed")),
    (Script(terminate=GONE, describe=[SUCCESSOR, CLOSED]), ("dead", "target-closed")),
    (Script(terminate=AWAY), ("open", "transient")),
]


@pytest.mark.parametrize(("script", "expected"), TERMINATES)
async def test_terminate(script: Script, expected: tuple[str, str | None]) -> None:
    dispatch = of("terminate", run_id="run-0")
    outcome = await carry_out(script, dispatch, EVENT)
    assert (outcome.state, outcome.code) == expected
    _, workflow_id, first_run_id, reason = script.asked[0]
    assert (workflow_id, first_run_id) == ("order-7", "run-0")
    assert str(EVENT.uid) in reason
    assert script.done


@pytest.mark.parametrize("name", ["cancel", "terminate"])
async def test_nobody_waits_for_another_execution_than_the_resolved_one(name: str) -> None:
    script = Script(cancel=NONE, terminate=GONE, describe=CLOSED)
    dispatch = of(name, run_id="run-0", when_missing="wait")
    outcome = await carry_out(script, dispatch, EVENT)
    assert (outcome.state, outcome.code) == ("dead", "target-closed")


def test_a_plan_is_json_and_nothing_else() -> None:
    for name in OPERATIONS:
        call = msgspec.json.decode(of(name).call)
        assert isinstance(call, dict)
