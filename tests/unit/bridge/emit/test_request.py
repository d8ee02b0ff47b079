"""The argument of an emit: what it may say, and the events that come of it."""

import dataclasses
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.cloudevents.lineage import Lineage, originating
from bridge.emit.request import (
    Emitter,
    InvalidEmitError,
    event_id,
    read_argument,
    source_of,
    stream_of,
)
from eventstore.events import NewEvent, Origin

SHIPPED = "io.example.shop.shipped.v1"
EMITTER = Emitter(
    namespace="default",
    workflow_type="Ship",
    workflow_id="ship/1",
    run_id="run-1",
    activity_id="5",
    scheduled=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)
LINEAGE = Lineage(
    correlation_id="first",
    correlation_uid=uuid4(),
    causation_uid=uuid4(),
    extensions={"correlationid": "first", "causationid": "42", "traceparent": "t", "hops": 3},
)
SECRET = UUID("c1f1a3a2-6c5f-4f0e-8a53-0f3d2f6f1a11")
RUN = st.tuples(
    st.text(min_size=1, max_size=40),  # workflow id: anything goes
    st.uuids().map(str),
    st.from_regex(r"[A-Za-z0-9-]+", fullmatch=True),
    st.integers(min_value=0, max_value=1000),
)


@given(RUN)
def test_the_same_place_in_the_same_run_gives_the_same_id(
    run: tuple[str, str, str, int],
) -> None:
    assert event_id(SECRET, *run) == event_id(SECRET, *run)
    assert UUID(event_id(SECRET, *run)).version == 5


@given(RUN, RUN)
def test_different_places_give_different_ids(
    one: tuple[str, str, str, int], other: tuple[str, str, str, int]
) -> None:
    assert (event_id(SECRET, *one) == event_id(SECRET, *other)) == (one == other)


def test_ids_are_part_of_the_contract() -> None:
    namespace = UUID("3c0d4a0e-8f0b-5f5e-9a53-5b8f6d0f6c1a")
    assert event_id(namespace, "w", "r", "1", 0) == "4dd1a3f3-1df2-54ba-b5ad-0f04e657869e"


@given(RUN)
def test_who_does_not_know_the_secret_of_the_store_cannot_compute_an_id(
    run: tuple[str, str, str, int],
) -> None:
    assert event_id(SECRET, *run) != event_id(uuid4(), *run)


def read(argument: Any) -> list[NewEvent]:
    text = argument if isinstance(argument, bytes) else json.dumps(argument).encode()
    return read_argument(text, EMITTER, LINEAGE, SECRET)


def test_a_type_and_data_are_enough() -> None:
    (new,) = read({"type": SHIPPED, "data": {"order": 7, "note": "ü"}})
    event = new.event
    assert (event.type, event.source) == (SHIPPED, "/temporal/default/Ship")
    assert (event.subject, event.time) == ("ship/1", "2026-01-02T03:04:05Z")
    assert event.id == event_id(SECRET, "ship/1", "run-1", "5", 0)
    assert event.datacontenttype == "application/json"
    assert json.loads(event.data or b"") == {"order": 7, "note": "ü"}
    assert event.extensions == LINEAGE.extensions
    assert (new.origin, new.topic) == (Origin.EMITTED, "results.shop.shipped")
    assert (new.correlation_id, new.correlation_uid) == ("first", LINEAGE.correlation_uid)
    assert new.causation_uid == LINEAGE.causation_uid


def test_everything_that_may_be_said() -> None:
    (new,) = read(
        {
            "type": SHIPPED,
            "topic": "results.shop.shipped.express",
            "subject": "order/7",
            "time": "2026-05-05T05:05:05.123456789Z",
            "extensions": {"tenant": "web", "correlationid": "mine", "traceparent": "own"},
        }
    )
    assert new.topic == "results.shop.shipped.express"
    assert (new.event.subject, new.event.data) == ("order/7", None)
    assert new.event.time == "2026-05-05T05:05:05.123456789Z"
    assert new.event.extensions == {
        "tenant": "web",
        "correlationid": "mine",
        "causationid": "42",
        "traceparent": "own",
        "hops": 3,
    }
    assert new.correlation_id == "mine"
    assert new.correlation_uid == LINEAGE.correlation_uid


def test_null_is_data() -> None:
    (new,) = read({"type": SHIPPED, "data": None})
    assert new.event.data == b"null"


def test_events_of_a_list_have_a_place_each() -> None:
    events = read([{"type": SHIPPED, "data": n} for n in range(3)])
    assert [new.event.data for new in events] == [b"0", b"1", b"2"]
    assert [new.event.id for new in events] == [
        event_id(SECRET, "ship/1", "run-1", "5", place) for place in range(3)
    ]


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ({}, "'type' is missing"),
        ({"type": 5}, "'type' is missing or not a string"),
        ({"type": "lonely"}, "cannot derive a topic from the type 'lonely'"),
        ({"type": "a.b c"}, "is not a valid subject"),
        ({"type": SHIPPED, "dta": 1}, "unknown member 'dta'; did you mean 'data'"),
        ({"type": SHIPPED, "source": "/mine"}, "unknown member 'source', only type, data"),
        ({"type": SHIPPED, "topic": 5}, "'topic' is not a string"),
        ({"type": SHIPPED, "topic": "events.shop.shipped"}, "not below 'results.'"),
        ({"type": SHIPPED, "topic": "results.*.x"}, "is not a valid subject"),
        ({"type": SHIPPED, "time": "yesterday"}, "not an RFC 3339 timestamp"),
        ({"type": SHIPPED, "subject": 5}, "'subject' must be a string"),
        ({"type": SHIPPED, "extensions": []}, "'extensions' is not an object"),
        ({"type": SHIPPED, "extensions": {"hops": 0}}, "hops: set by the bridge, leave it out"),
        ({"type": SHIPPED, "extensions": {"id": "x"}}, "id: not an extension attribute"),
        ({"type": SHIPPED, "extensions": {"Tenant": "x"}}, "not made of a-z and 0-9"),
        ({"type": SHIPPED, "extensions": {"a": [1]}}, "is a list"),
        ([], "a list of 0 events"),
        ([{"type": SHIPPED}] * 501, "a list of 501 events"),
        ([{"type": SHIPPED}, {"type": ""}], "event 1: "),
        ("just text", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"", "not a JSON object"),
        (b"[1,", "not JSON"),
        (b'{"type": "a.b", "type": "a.c"}', "twice"),
        (b'{"type": "a.b", "data": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested"),
        (b"[" * 100_000, "nested"),
    ],
)
def test_what_is_no_result_event_is_told(argument: Any, says: str) -> None:
    with pytest.raises(InvalidEmitError, match=says.replace("(", r"\(")):
        read(argument)


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["type", "data", "topic", "extensions", "x"]), inner),
    max_leaves=8,
))  # fmt: skip
def test_any_argument_is_read_or_refused(argument: Any) -> None:
    with suppress(InvalidEmitError):
        read(argument)


def test_names_are_derived() -> None:
    assert stream_of("code-generation/1") == "run-code-generation/1"
    assert source_of("default", "CodeGenerationWorkflow") == (
        "/temporal/default/CodeGenerationWorkflow"
    )
    assert source_of("a b", "x/y") == "/temporal/a%20b/x%2Fy"


def test_an_emitter_that_no_event_began_is_inherited_likewise() -> None:
    alone = replace(LINEAGE, causation_uid=None, extensions={"correlationid": "c", "hops": 0})
    (new,) = read_argument(b'{"type": "a.b"}', EMITTER, alone, SECRET)
    assert new.causation_uid is None
    assert new.event.extensions == {"correlationid": "c", "hops": 0}


@given(
    st.binary(max_size=30)
    | st.sampled_from(
        [
            b'{"type": 1e999}',
            b'{"type": "\xff"}',
            b'{"type": "\\ud800"}',
            b'{"type": "a.b.c", "topic": 1e999}',
            b'{"type": "a.b.c", "extensions": {"x": 1, "x": 2}}',
            b'{"type": "a.b.c", "data": {"x": 1, "x": 2}}',
            b'{"type": "a.b.c", "extensions": {"x": 99999999999999999999}}',
            b'{"type": "a.b.c", "time": "9999"}',
            b'{"type": "' + b"9" * 5000 + b'"}',
            b'{"type": ' + b"9" * 5000 + b"}",
            b'{"type": ' + b"[" * 100000 + b"}",
        ]
    )
)
def test_whatever_is_wrong_with_an_argument_is_said_in_one_way(argument: bytes) -> None:
    with pytest.raises(InvalidEmitError):
        read_argument(argument, EMITTER, LINEAGE, SECRET)


def test_a_run_whose_id_no_attribute_can_hold_emits_all_the_same() -> None:
    strange = dataclasses.replace(EMITTER, workflow_id="ship\t1\x00")
    origin = originating(strange.source, strange.workflow_id)
    (new,) = read_argument(b'{"type": "a.b.c"}', strange, origin, SECRET)
    assert new.event.subject == "ship%091%00"
    assert new.correlation_id == "ship%091%00"
