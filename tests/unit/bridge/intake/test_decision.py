"""What is decided over one delivery."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.cloudevents.codec import encode
from bridge.intake.consumer import Delivery
from bridge.intake.decision import Accepted, SetAside, judge, stream_of
from bridge.routes.table import RouteTable
from eventstore.events import Event
from tests.support.daemon_parts import CREATED, TOPIC, delivery, event, route

ROUTES = RouteTable([route("one"), route("other", when="data.number > 1")])


def raw(payload: bytes, headers: dict[str, str] | None = None) -> Delivery:
    return Delivery("EVENTS", CREATED, 1, TOPIC, headers or {}, payload, reply="")


def of(found: Event) -> Delivery:
    headers, payload = encode(found)
    return raw(payload, headers)


@pytest.mark.parametrize(("number", "routes"), [(1, ["one"]), (2, ["one", "other"])])
def test_each_route_that_matches_plans_a_dispatch(number: int, routes: list[str]) -> None:
    judged = judge(ROUTES, delivery("k", number, 1), 16)
    assert isinstance(judged, Accepted)
    assert judged.event.uid == event("k", number).uid
    assert [plan.route for plan in judged.plan] == routes
    assert {plan.key for plan in judged.plan} == {"k"}


def test_a_route_that_fails_on_an_event_fails_alone() -> None:
    judged = judge(ROUTES, of(replace(event("k", 1), data=b'{"key": "k"}')), 16)
    assert isinstance(judged, Accepted)
    assert [(plan.route, plan.state) for plan in judged.plan] == [
        ("one", "open"),
        ("other", "dead"),
    ]


@pytest.mark.parametrize(
    ("hops", "is_loop"), [(None, False), (0, False), (16, False), (17, True), (2**31 - 1, True)]
)
def test_a_chain_that_is_too_long_is_cut(hops: int | None, *, is_loop: bool) -> None:
    extensions = {} if hops is None else {"hops": hops}
    judged = judge(ROUTES, of(replace(event("k", 1), extensions=extensions)), 16)
    assert isinstance(judged, SetAside) == is_loop
    if isinstance(judged, SetAside):
        assert judged.code == "loop"
        assert judged.loop is not None
        assert str(hops) in judged.reason


@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=20), st.text(max_size=50)))
def test_whatever_arrives_is_judged(payload: bytes, headers: dict[str, str]) -> None:
    judged = judge(ROUTES, raw(payload, headers), 16)
    assert judged.delivery.payload == payload


@pytest.mark.parametrize(
    ("event_type", "subject", "stream"),
    [
        ("io.quantum-suite.code-generation.requested.v1", "7", "code_generation-7"),
        ("a.b.v2", "x-y", "a-x-y"),
        ("com.example.placed", "order-7", "example-order-7"),
        ("plain", "7", "plain-7"),
        ("placed.v1", "a", "placed-a"),
        (".v1", "7", "event-7"),
        ("io.acme.run.started.v1", "ship/1", "run_-ship/1"),
        ("run", "ship/1", "run_-ship/1"),
        ("io.run-.x", "ship/1", "run_-ship/1"),
        (".placed", "a", "event-a"),
        ("a." + "b" * 241 + ".c", "7", "event-7"),
        ("a.b", "😀" * 240, "a-" + "😀" * 240),
    ],
)
def test_the_stream_that_an_event_goes_to(event_type: str, subject: str, stream: str) -> None:
    assert stream_of(Event(id="1", source="/s", type=event_type, subject=subject)) == stream


def test_without_a_subject_each_event_has_a_stream_of_its_own() -> None:
    found = Event(id="1", source="/s", type="a.b", data=json.dumps(1).encode())
    assert stream_of(found) == f"a-{found.uid}"


def test_a_subject_too_long_for_a_name_gives_way_to_the_uid() -> None:
    found = Event(id="1", source="/s", type="a.b", subject="7" * 241)
    assert stream_of(found) == f"a-{found.uid}"
