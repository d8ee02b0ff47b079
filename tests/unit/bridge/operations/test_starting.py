"""What the operations that start a workflow make of Temporal's answers. Temporal is a script here."""

from typing import Any

import pytest
from msgspec.structs import replace

from bridge.operations.calls import Run, UpdateAnswer
from tests.support.operations import carry_out
from tests.unit.bridge.operations.cases import CLOSED, EVENT, OPEN, OTHERS, OURS, gist, of
from tests.unit.bridge.operations.script import AWAY, GONE, NO_NAMESPACE, Script, taken

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
