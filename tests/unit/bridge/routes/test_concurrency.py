"""Concurrency in a routes file: what is planned, and what is refused by name."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from bridge.errors import RoutesError
from bridge.flow.plan import FlowPlan, SlotPlan
from bridge.routes.lint import lint
from bridge.routes.loading import load_routes
from bridge.routes.model import Route
from bridge.routes.table import PlannedDispatch, RouteTable
from tests.support.operations import TOPIC, event_of

START = {"workflow": "W", "task_queue": "q"}
KEY = {"key": "data.key"}


def planned(data: dict[str, Any], **says: Any) -> PlannedDispatch:
    route = Route.model_validate({"name": "r", "from": "events.>", **says})
    (plan,) = RouteTable([route]).plan(TOPIC, event_of(data))
    return plan


def test_a_dispatch_is_planned_with_its_slot() -> None:
    plan = planned(
        {"key": "a"}, start=START, concurrency={**KEY, "limit": 2, "when_full": "skip"}
    )
    assert plan.flow == FlowPlan(slot=SlotPlan(key="a", limit=2, when_full="skip"))
    assert plan.flow.first_state == "queued"
    # All of it, since the tables read it from the row.
    assert msgspec.to_builtins(plan.flow) == {
        "slot": {"key": "a", "limit": 2, "when_full": "skip"}
    }
    assert planned({"key": "a"}, start=START).flow is None


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 1001])
def test_a_key_that_the_table_cannot_have_is_a_dead_letter(key: str) -> None:
    plan = planned({"key": key}, start=START, concurrency=KEY)
    assert plan.state == "dead"
    assert "key of a slot" in (plan.error or "")


def test_it_goes_with_a_window() -> None:
    plan = planned(
        {"key": "a"}, start=START, key="data.key", concurrency=KEY, debounce={"for": "1s"}
    )
    assert plan.flow is not None
    assert (plan.flow.first_state, plan.flow.slot is None) == ("gathering", False)


REFUSED: dict[str, dict[str, Any]] = {
    "only for start, signal_with_start": {"signal": {"signal": "s", "workflow_id": "data.key"}},
    "closure.announce": {"start": {**START, "closure": {"announce": False}}},
    "Input should be 'queue'": {"start": START, "concurrency": {**KEY, "when_full": "wait"}},
    "greater than or equal to 1": {"start": START, "concurrency": {**KEY, "limit": 0}},
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_work_is_refused(tmp_path: Path, why: str) -> None:
    with pytest.raises(RoutesError, match=why):
        load_routes(written(tmp_path, **{"concurrency": KEY, **REFUSED[why]}))


def test_without_closures_it_is_refused_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path, start=START, concurrency=KEY)
    assert load_routes(path).routes
    with pytest.raises(
        RoutesError, match=r"routes\.yaml:\d+:\d+: route 'r', concurrency: needs clos"
    ):
        load_routes(path, closures=False)
    (finding,) = [each for each in lint(path, closures=False) if each.level == "error"]
    assert finding.place is not None
    assert [each for each in lint(path) if each.level == "error"] == []


def written(folder: Path, **says: Any) -> Path:
    path = folder / "routes.yaml"
    path.write_text(yaml.safe_dump({"routes": [{"name": "r", "from": "events.>", **says}]}))
    return path
