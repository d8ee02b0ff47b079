"""What ``debounce`` and ``batch`` of a route may say, and which window an event joins."""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from bridge.flow.plan import FlowPlan
from bridge.flow.windows import WindowPlan
from bridge.operations.base import Dispatch, Member
from bridge.operations.envelopes import PlannedArgument, argument
from bridge.operations.signal_with_start import PlannedSignalWithStart
from bridge.operations.starting import PlannedStart, start_call
from bridge.routes.model import Route
from bridge.routes.table import RouteTable
from eventstore.events import Event
from tests.support.operations import TOPIC, dispatch_of, event_of, stored

SIGNAL = {"signal": {"signal": "s", "workflow_id": '"w/" + data.key'}}
START = {"start": {"workflow": "W", "task_queue": "q"}}


def planned(event: Event, **says: Any) -> WindowPlan:
    (plan,) = RouteTable([route(**says)]).plan(TOPIC, event)
    assert plan.error is None
    assert isinstance(plan.flow, FlowPlan)
    assert plan.flow.window is not None
    return plan.flow.window


def route(**says: Any) -> Route:
    return Route.model_validate({"name": "ship", "from": "events.>", **says})


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ({**SIGNAL, "batch": {"for": 1}, "debounce": {"for": 1}}, "exclude each other"),
        ({**SIGNAL, "debounce": {"for": 5, "at_most": 3}}, "must not be less than for"),
        ({**SIGNAL, "batch": {}}, "Field required"),
        ({**SIGNAL, "batch": {"for": 1, "size": 0}}, "greater than or equal to 1"),
        ({**START, "batch": {"for": 1}}, "batch needs a key"),
        ({**START, "debounce": {"for": 1}}, "debounce needs a key"),
        ({"cancel": {"workflow_id": "'a'"}, "batch": {"for": 1}}, "gives no event"),
        (
            {**SIGNAL, "dataref": "fetch", "debounce": {"for": 1, "include": "all"}},
            "cannot be used with dataref: fetch",
        ),
    ],
)
def test_what_no_route_may_say(says: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        route(**says)


@pytest.mark.parametrize(
    "says",
    [
        {"cancel": {"workflow_id": "'a'"}, "debounce": {"for": 1}},
        {**SIGNAL, "dataref": "fetch", "debounce": {"for": 1}},
        {**START, "key": "data.key", "batch": {"for": 1}},
        {**START, "batch": {"for": 1, "key": "data.key"}},
        {"start": {**START["start"], "id": "data.key"}, "debounce": {"for": "1h"}},
    ],
)
def test_what_a_route_may_say(says: dict[str, Any]) -> None:
    assert route(**says).window is not None


def test_events_for_different_workflows_and_runs_are_never_called_together() -> None:
    one = planned(event_of({"key": "a"}), **SIGNAL, batch={"for": 1, "key": "'all'"})
    assert (one.key, one.target) == ("all", "w/a")
    spec = {"signal": {**SIGNAL["signal"], "run_id": "'r1'"}}
    assert planned(event_of({"key": "a"}), **spec, batch={"for": 1}).target == "w/a r1"
    start = planned(event_of({"key": "a"}), **START, key="data.key", batch={"for": 1})
    assert (start.key, start.target) == ("a", "")


def test_a_plan_has_the_rule_of_its_route() -> None:
    event = event_of({"key": "a"})
    last = planned(event, **SIGNAL, debounce={"for": "30s", "at_most": "5m"})
    assert last == WindowPlan(
        kind="debounce", key="w/a", target="w/a", seconds=30, at_most=300, size=10_000
    )
    batch = planned(event, **SIGNAL, batch={"for": 2, "size": 7, "max_bytes": 5000})
    assert (batch.kind, batch.seconds, batch.size, batch.max_bytes) == ("batch", 2, 7, 5000)
    assert batch.gives_all


@pytest.mark.parametrize(
    ("says", "event"),
    [
        (SIGNAL, event_of({"key": "a", "text": "ü" * 50})),
        (SIGNAL, event_of({"key": "a"}, extensions={"correlationid": "x" * 100})),
        ({"signal": {**SIGNAL["signal"], "argument": "data.text"}}, event_of({"key": "a", "text": "é"})),
        (
            {"signal": {**SIGNAL["signal"], "workflow_id": "'w'"}},
            replace(event_of(), data=bytes(range(256)), datacontenttype="image/png"),
        ),
    ],
)  # fmt: skip
def test_an_envelope_is_never_larger_than_it_was_counted(
    says: dict[str, Any], event: Event
) -> None:
    counted = planned(event, **says, batch={"for": 1}).bytes
    one = dispatch_of(says, event)
    (envelope,) = sent(together(one, (one, event)), PlannedArgument())
    size = len(json.dumps(envelope, separators=(",", ":"), ensure_ascii=False).encode())
    assert size <= counted <= size + 400


def together(last: Dispatch, *pairs: tuple[Dispatch, Event]) -> Dispatch:
    """The dispatch that calls for some events, once they are read."""
    members = [
        Member(
            route=each.route,
            request_id=each.request_id,
            call=each.call,
            event=stored(event),
        )
        for each, event in pairs
    ]
    return replace(last, member_ids=[1] * len(pairs), members=members)


def sent(dispatch: Dispatch, planned: PlannedArgument) -> Any:
    return json.loads(argument(planned, dispatch, stored(event_of())).data or b"")


def test_each_envelope_of_a_batch_is_that_of_its_own_event() -> None:
    spec = {"signal": {**SIGNAL["signal"], "argument": "data.n"}}
    events = [event_of({"key": "a", "n": n}) for n in (1, 2)]
    plans = [dispatch_of(spec, event) for event in events]
    found = sent(together(plans[1], *zip(plans, events, strict=True)), PlannedArgument())
    assert [each["data"] for each in found] == [1, 2]
    assert [each["id"] for each in found] == [event.id for event in events]
    assert [each["bridgerequest"] for each in found] == [str(p.request_id) for p in plans]


def test_bare_values_are_listed_without_envelopes() -> None:
    spec = {"signal": {**SIGNAL["signal"], "argument": "data.n", "bare": True}}
    events = [event_of({"key": "a", "n": n}) for n in (1, 2)]
    plans = [dispatch_of(spec, event) for event in events]
    found = sent(together(plans[1], *zip(plans, events, strict=True)), PlannedArgument())
    assert found == [1, 2]


def test_a_batched_start_gets_the_list_and_a_started_receiver_the_last_event() -> None:
    spec = {"start": {**START["start"], "input": "data.n"}}
    events = [event_of({"key": "a", "n": n}) for n in (1, 2)]
    plans = [dispatch_of(spec, event) for event in events]
    whole = together(plans[1], *zip(plans, events, strict=True))
    call = start_call(
        msgspec.json.decode(whole.call, type=PlannedStart), whole, stored(events[1])
    )
    assert [each["data"] for each in json.loads(call.argument.data or b"")] == [1, 2]

    spec = {"signal_with_start": {**START["start"], **SIGNAL["signal"], "input": "data.n"}}
    plans = [dispatch_of(spec, event) for event in events]
    whole = together(plans[1], *zip(plans, events, strict=True))
    start = msgspec.json.decode(whole.call, type=PlannedSignalWithStart).start
    call = start_call(start, whole, stored(events[1]), also=True)
    assert call.argument.data == b"2"
    assert len(sent(whole, PlannedArgument())) == 2
