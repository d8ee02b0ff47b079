"""How the plans of one event differ: every kind, and nothing where nothing differs."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.history.backtest.difference import KINDS, differences
from bridge.routes.model import RoutesFile
from bridge.routes.table import PlannedDispatch, RouteTable
from eventstore.events import Event

TOPIC = "events.shop.ordered"
EVENT = Event(
    id="1",
    source="/shop",
    type="io.example.shop.ordered.v1",
    datacontenttype="application/json",
    data=b'{"number": 7}',
)
START: dict[str, Any] = {"workflow": "Ship", "task_queue": "q"}
SIGNAL: dict[str, Any] = {"signal": "paid", "workflow_id": '"order/7"'}


def plans(*routes: dict[str, Any]) -> Sequence[PlannedDispatch]:
    written = [{"name": "ship", "from": "events.>", **route} for route in routes]
    table = RouteTable(RoutesFile.model_validate({"routes": written}).routes)
    return table.plan(TOPIC, EVENT)


def kinds(before: Sequence[PlannedDispatch], after: Sequence[PlannedDispatch]) -> list[str]:
    return [kind for each in differences(EVENT, before, after) for kind in each.kinds]


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "nothing": ({"start": START}, {"start": START}, []),
    "a condition that is true anyway": (
        {"start": START},
        {"start": START, "when": "data.number == 7"},
        [],
    ),
    "the default, written": ({"start": START}, {"start": {**START, "input": "data"}}, []),
    "a condition": ({"start": START}, {"start": START, "when": "false"}, ["no longer"]),
    "id": (
        {"start": START},
        {"start": {**START, "id": '"order/7"'}},
        ["id", "key"],
    ),
    "key": ({"start": START}, {"start": START, "key": '"7"'}, ["key"]),
    "input": ({"start": START}, {"start": {**START, "input": "data.number"}}, ["input"]),
    "queue": ({"start": START}, {"start": {**START, "task_queue": "r"}}, ["call"]),
    "namespace": ({"start": START}, {"start": START, "namespace": "n"}, ["call"]),
    "patience": ({"start": START}, {"start": START, "give_up_after": {"age": "5m"}}, ["call"]),
    "operation": (
        {"signal": SIGNAL, "key": '"7"'},
        {"cancel": {"workflow_id": '"order/7"'}, "key": '"7"'},
        ["input", "call"],
    ),
    "argument": (
        {"signal": SIGNAL},
        {"signal": {**SIGNAL, "argument": "data.number"}},
        ["input"],
    ),
    "envelope": (
        {"signal": {**SIGNAL, "argument": "data"}},
        {"signal": {**SIGNAL, "argument": "data", "bare": True}},
        ["call"],
    ),
    "start of a signal": (
        {"signal": {**SIGNAL, "when_missing": "start", "start": START}},
        {"signal": {**SIGNAL, "when_missing": "start", "start": {**START, "task_queue": "r"}}},
        ["call"],
    ),
    "failure": ({"start": START}, {"start": START, "when": "data.no"}, ["dead letter"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_of_its_kinds(change: str) -> None:
    before, after, expected = CHANGES[change]
    assert kinds(plans(before), plans(after)) == expected


def test_a_renamed_route_is_planned_no_longer_and_in_addition() -> None:
    found = list(
        differences(EVENT, plans({"start": START}), plans({"name": "s", "start": START}))
    )
    assert [(each.route, each.kinds) for each in found] == [
        ("s", ("additional",)),
        ("ship", ("no longer",)),
    ]


@given(st.lists(st.sampled_from(list(CHANGES)), max_size=3), st.randoms())
def test_whatever_is_planned_differs_from_itself_in_nothing_and_both_ways_alike(
    names: list[str], random: Any
) -> None:
    def table(side: int) -> Sequence[PlannedDispatch]:
        sides = [CHANGES[name][:2][side] for name in names]
        routes = [{"name": f"{index}", **route} for index, route in enumerate(sides)]
        random.shuffle(routes)
        return plans(*routes)

    before, after = table(0), table(1)
    assert kinds(before, before) == []
    back = {"additional": "no longer", "no longer": "additional"}
    there = {(d.route, d.kinds) for d in differences(EVENT, before, after)}
    returned = {
        (d.route, tuple(back.get(kind, kind) for kind in d.kinds))
        for d in differences(EVENT, after, before)
    }
    assert there == returned
    assert {kind for _, each in there for kind in each} <= KINDS.keys()
