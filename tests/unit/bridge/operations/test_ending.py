"""What cancel and terminate make of Temporal's answers. Temporal is a script here."""

import pytest
from msgspec.structs import replace

from tests.support.operations import carry_out
from tests.unit.bridge.operations.cases import (
    CANCELLING,
    CLOSED,
    CONTINUED,
    EVENT,
    NONE,
    OPEN,
    SUCCESSOR,
    gist,
    of,
)
from tests.unit.bridge.operations.script import AWAY, GONE, NO_NAMESPACE, Script

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
