"""What the operations on activities make of Temporal's answers. Temporal is a script here."""

from typing import Any

import pytest

from bridge.operations.calls import Run
from tests.support.operations import carry_out
from tests.unit.bridge.operations.cases import EVENT, NONE, gist, of
from tests.unit.bridge.operations.script import AWAY, GONE, NO_NAMESPACE, Script, taken

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
