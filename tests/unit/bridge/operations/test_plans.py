"""What a route says, and what is planned of it for one event."""

import json
from typing import Any

import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.operations import OPERATIONS
from bridge.operations.base import Dispatch
from bridge.operations.calls import PinnedVersion, RetryPolicy
from bridge.operations.envelopes import PlannedArgument, argument
from bridge.operations.fields import Duration
from bridge.operations.signal import PlannedSignal
from bridge.operations.starting import PlannedStart, start_again, start_call
from bridge.routes.model import Route
from bridge.routes.table import RouteTable
from eventstore.events import Event
from tests.support.operations import dispatch_of, event_of, stored

START = {"workflow": "Ship", "task_queue": "shop"}


def planned_start(event: Event, **spec: Any) -> tuple[Dispatch, PlannedStart]:
    dispatch = dispatch_of({"start": {**START, **spec}}, event)
    return dispatch, msgspec.json.decode(dispatch.call, type=PlannedStart)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("24h", 86_400),
        ("7d", 604_800),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (12, 12),
        (0.25, 0.25),
    ],
)
def test_durations(text: Any, seconds: float) -> None:
    assert TypeAdapter(Duration).validate_python(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "m", "-5m", "5w", 0, -1, True, None, "20000d"]
)
def test_what_is_no_duration(text: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Duration).validate_python(text)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"start": {**START, "memo": {"ce": "1"}}}, "set by the bridge"),
    ({"start": {**START, "search_attributes": {"EventUid": "'x'"}}}, "set by the bridge"),
    ({"start": {**START, "fairness_weight": 2}}, "needs a fairness_key"),
    ({"start": {**START, "id_conflict_policy": "terminate-existing"}}, "allow-duplicate"),
    ({"start": {**START, "versioning_override": "newest"}}, "auto-upgrade"),
    ({"start": {**START, "signal": "x"}}, "Extra inputs"),
    ({"signal": {"signal": "x"}}, "workflow_id"),
    ({"signal": {"signal": "x", "workflow_id": "1"}}, "string"),
    ({"signal": {"signal": "x", "workflow_id": "'a'", "wait_for": "1h"}}, "when_missing: wait"),
    ({"signal": {"signal": "x", "workflow_id": "'a'", "when_missing": "start"}}, "go together"),
    ({"signal": {"signal": "x", "workflow_id": "'a'", "start": START}}, "go together"),
    (
        {
            "signal": {
                "signal": "x",
                "workflow_id": "'a'",
                "run_id": "'r'",
                "when_missing": "start",
                "start": START,
            }
        },
        "run_id",
    ),
    ({"signal": {"signal": "x", "workflow_id": "'a'", "bare": True}}, "argument"),
    ({"update": {"update": "x", "workflow_id": "'a'", "wait_stage": "admitted"}}, "accepted"),
    ({"update": {"update": "x", "workflow_id": "'a'", "when_missing": "start"}}, "dead-letter"),
    ({"cancel": {"workflow_id": "'a'", "when_missing": "start"}}, "dead-letter"),
    ({"terminate": {"workflow_id": "'a'", "reason": ""}}, "at least 1"),
]


@pytest.mark.parametrize(("operation", "complaint"), WRONG)
def test_a_mistake_is_found_when_the_file_is_loaded(
    operation: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Route.model_validate({"name": "ship", "from": "events.>", **operation})


def test_every_operation_is_a_key_of_a_route() -> None:
    assert set(OPERATIONS) <= set(Route.model_fields)
    assert list(OPERATIONS) == [
        "start",
        "signal",
        "signal_with_start",
        "update",
        "update_with_start",
        "cancel",
        "terminate",
        "start_activity",
        "complete_activity",
        "fail_activity",
    ]


def test_the_default_start_gives_the_data_as_they_are() -> None:
    event = event_of({"n": 2**70})
    dispatch, planned = planned_start(event)
    call = start_call(planned, dispatch, stored(event))
    assert dispatch.target == f"ship/{event.uid}"
    assert call.argument.data == event.data
    assert (call.options.id_reuse_policy, call.options.id_conflict_policy) == (
        "reject-duplicate",
        "fail",
    )
    assert json.loads(dispatch.call).items() >= START.items()
    assert "input" not in json.loads(dispatch.call)


def test_bytes_and_no_data_are_arguments_too() -> None:
    octets = event_of(data=None)
    octets = msgspec.structs.replace(octets, data=b"\xff", datacontenttype="image/png")
    dispatch, planned = planned_start(octets)
    assert not start_call(planned, dispatch, stored(octets)).argument.is_json
    nothing = event_of()
    dispatch, planned = planned_start(nothing)
    assert start_call(planned, dispatch, stored(nothing)).argument.data is None


def test_null_is_an_input_and_no_attribute() -> None:
    event = event_of({"n": None})
    dispatch, planned = planned_start(
        event, input="data.n", memo={"n": "data.n"}, search_attributes={"N": "data.n"}
    )
    call = start_call(planned, dispatch, stored(event))
    assert call.argument.data == b"null"
    assert call.memo["n"] == msgspec.Raw(b"null")
    assert "N" not in call.search_attributes


def test_options_are_planned() -> None:
    _, planned = planned_start(
        event_of({"tenant": "acme"}),
        execution_timeout="1h",
        retry_policy={"maximum_attempts": 3, "maximum_interval": "1m"},
        fairness_key="data.tenant",
        versioning_override={"deployment_name": "shop", "build_id": "7"},
        search_attributes={"Tenants": "[data.tenant]"},
    )
    options = planned.options
    assert options.execution_timeout == 3600
    assert options.retry_policy == RetryPolicy(maximum_attempts=3, maximum_interval=60)
    assert options.fairness_key == "acme"
    assert options.versioning_override == PinnedVersion(deployment_name="shop", build_id="7")
    assert planned.search_attributes == {"Tenants": msgspec.Raw(b'["acme"]')}


def test_a_signal_plans_its_target() -> None:
    spec = {
        "signal": "paid",
        "workflow_id": "data.id",
        "when_missing": "wait",
        "wait_for": "2h",
    }
    dispatch = dispatch_of({"signal": spec}, event_of({"id": "order-7"}))
    planned = msgspec.json.decode(dispatch.call, type=PlannedSignal)
    assert dispatch.target == dispatch.key == "order-7"
    assert (planned.target.when_missing, planned.target.wait_for) == ("wait", 7200)


@pytest.mark.parametrize("operation", ["signal", "update", "cancel", "terminate"])
def test_the_old_name_of_when_missing_means_the_same(operation: str) -> None:
    named = {"signal": {"signal": "x"}, "update": {"update": "x"}}.get(operation, {})
    event = event_of({"id": "order-7"})
    calls = [
        dispatch_of({operation: {**named, "workflow_id": "data.id", key: "wait"}}, event).call
        for key in ("when_missing", "when_closed")
    ]
    assert calls[0] == calls[1]
    assert b'"when_missing":"wait"' in calls[0]
    both = {**named, "workflow_id": "data.id", "when_missing": "wait", "when_closed": "wait"}
    with pytest.raises(ValidationError, match="old name of when_missing"):
        Route.model_validate({"name": "ship", "from": "events.>", operation: both})


@pytest.mark.parametrize(
    ("operation", "starts", "wait_for"),
    [
        ({"start": START}, True, None),
        (
            {"signal_with_start": {**START, "workflow_id": "'a'", "signal": "x"}},
            True,
            None,
        ),
        (
            {"update_with_start": {**START, "workflow_id": "'a'", "update": "x"}},
            True,
            None,
        ),
        (
            {
                "signal": {
                    "signal": "x",
                    "workflow_id": "'a'",
                    "when_missing": "start",
                    "start": START,
                }
            },
            True,
            None,
        ),
        ({"signal": {"signal": "x", "workflow_id": "'a'"}}, False, None),
        (
            {"signal": {"signal": "x", "workflow_id": "'a'", "when_missing": "wait"}},
            False,
            86_400.0,
        ),
        ({"cancel": {"workflow_id": "'a'", "when_missing": "wait", "wait_for": 5}}, False, 5.0),
    ],
)
def test_a_plan_says_whether_it_starts_its_target_or_waits_for_it(
    operation: dict[str, Any],
    starts: bool,  # noqa: FBT001 - a column of the table
    wait_for: float | None,
) -> None:
    route = Route.model_validate({"name": "ship", "from": "events.>", **operation})
    (planned,) = RouteTable([route]).plan("events.x", event_of())
    assert (planned.starts, planned.wait_for) == (starts, wait_for)


def envelope(event: Event, planned: PlannedArgument) -> dict[str, Any]:
    dispatch = dispatch_of({"signal": {"signal": "x", "workflow_id": "'a'"}}, event)
    data = argument(planned, dispatch, stored(event)).data
    decoded: dict[str, Any] = json.loads(data or b"")
    return decoded


def test_an_envelope_keeps_what_the_event_says_and_adds_what_tells_repeats() -> None:
    event = event_of({"n": 2**70}, extensions={"correlationid": "own", "hops": 3})
    sent = envelope(event, PlannedArgument())
    assert sent["data"] == {"n": 2**70}
    assert (sent["correlationid"], sent["hops"], sent["bridgeroute"]) == ("own", 3, "ship")
    assert len(sent["bridgerequest"]) == 36


def test_nobody_can_forge_the_request_id() -> None:
    forged = {"bridgerequest": "x", "bridgeroute": "y"}
    sent = envelope(event_of(extensions=forged), PlannedArgument())
    assert sent["bridgerequest"] != "x"
    assert sent["bridgeroute"] == "ship"


def test_bytes_travel_in_base64_and_an_argument_replaces_them() -> None:
    event = msgspec.structs.replace(
        event_of(dataschema="https://x/y"), data=b"\xff", datacontenttype="image/png"
    )
    assert envelope(event, PlannedArgument())["data_base64"] == "/w=="
    replaced = envelope(event, PlannedArgument(value=msgspec.Raw(b'{"a":1}')))
    assert (replaced["data"], replaced["datacontenttype"]) == ({"a": 1}, "application/json")
    assert not {"data_base64", "dataschema"} & set(replaced)


def test_a_bare_argument_is_sent_as_it_is() -> None:
    dispatch = dispatch_of({"signal": {"signal": "x", "workflow_id": "'a'"}}, event_of())
    planned = PlannedArgument(value=msgspec.Raw(b"[1]"), bare=True)
    assert argument(planned, dispatch, stored(event_of())).data == b"[1]"


def test_request_ids_differ_by_event_route_and_generation() -> None:
    rule = {"signal": {"signal": "x", "workflow_id": "'a'"}}
    one, two = event_of(), event_of()
    ids = {
        dispatch_of(rule, one).request_id,
        dispatch_of(rule, two).request_id,
        dispatch_of(rule, one, route="other").request_id,
        dispatch_of(rule, one, generation=2).request_id,
    }
    assert len(ids) == 4
    assert dispatch_of(rule, one).request_id in ids


def test_what_is_planned_goes_to_temporal_as_it_is_kept_and_is_not_read() -> None:
    kept = b'{"n": 1.50, "n": [ ]}'  # nobody who reads it would write it like this
    event = event_of()
    dispatch = dispatch_of({"start": {**START, "input": "data"}}, event)
    call = b'{"workflow":"W","task_queue":"q","input":%s,"memo":{"m":%s}}' % (kept, kept)
    planned = msgspec.json.decode(call, type=PlannedStart)
    request = start_call(planned, dispatch, stored(event))
    assert request.argument.data == kept
    assert msgspec.json.encode(request.memo["m"]) == kept
    assert kept in msgspec.json.encode(start_again(planned))
    signal = msgspec.json.decode(b'{"value":%s,"bare":true}' % kept, type=PlannedArgument)
    assert argument(signal, dispatch, stored(event)).data == kept
