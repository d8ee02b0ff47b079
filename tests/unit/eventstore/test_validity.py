"""What is kept can be had back; what could not is refused by name, without its data."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cloudevents.codec import from_json, to_json
from bridge.errors import EncodeError
from eventstore.errors import InvalidEvent
from eventstore.events import Event, NewEvent, Origin, schema_version_of
from eventstore.prepared import StreamAppend, prepare
from eventstore.rows import DIGEST, EventRow, decode, encode
from eventstore.validity import MAX_EVENT_BYTES, check, checked, event_problem, size_of
from tests.unit.bridge.strategies import events, json_values

GOOD = Event(id="42", source="/shop", type="com.example.placed", data=b'"SECRET"')


def changed(**changes: Any) -> Event:
    return msgspec.structs.replace(GOOD, **changes)


BAD: dict[str, Event] = {
    "extension None": changed(extensions={"x": None}),
    "extension float": changed(extensions={"x": 1.5}),
    "extension list": changed(extensions={"x": ["a"]}),
    "extension object": changed(extensions={"x": {"a": 1}}),
    "extension bytes": changed(extensions={"x": b"a"}),
    "extension too large": changed(extensions={"x": 2**31}),
    "extension too small": changed(extensions={"x": -(2**31) - 1}),
    "extension beyond 64 bits": changed(extensions={"x": 10**30}),
    "extension NaN": changed(extensions={"x": float("nan")}),
    "extension NUL": changed(extensions={"x": "\0"}),
    "extension surrogate": changed(extensions={"x": "\ud800"}),
    "extension noncharacter": changed(extensions={"x": "\uffff"}),
    "extension trace is None": changed(extensions={"traceparent": None}),
    "extension correlation is list": changed(extensions={"correlationid": []}),
    "extensions None": changed(extensions=None),
    "extensions list": changed(extensions=[("x", 1)]),
    "name in capitals": changed(extensions={"X": 1}),
    "name empty": changed(extensions={"": 1}),
    "name with NUL": changed(extensions={"a\0": 1}),
    "name no text": changed(extensions={1: 1}),
    "name of the context": changed(extensions={"id": "other"}),
    "name data": changed(extensions={"data": "x"}),
    "name specversion": changed(extensions={"specversion": "0.3"}),
    "id empty": changed(id=""),
    "id None": changed(id=None),
    "id number": changed(id=42),
    "id bytes": changed(id=b"42"),
    "id line feed": changed(id="4\n2"),
    "source empty": changed(source=""),
    "source blank": changed(source="a b"),
    "source list": changed(source=["/shop"]),
    "type empty": changed(type=""),
    "type long": changed(type="x" * 2001),
    "type control": changed(type="a\x7fb"),
    "subject empty": changed(subject=""),
    "subject surrogate": changed(subject="\udcff"),
    "time no time": changed(time="yesterday"),
    "time of no day": changed(time="2026-02-30T00:00:00Z"),
    "time beyond year 9999": changed(time="10000-01-01T00:00:00Z"),
    "time without zone": changed(time="2026-01-01T00:00:00"),
    "time number": changed(time=1),
    "schema relative": changed(dataschema="schema.json"),
    "content type word": changed(datacontenttype="json"),
    "data text": changed(data="SECRET"),
    "data mutable": changed(data=bytearray(b'"SECRET"')),
    "data no JSON": changed(data=b"SECRET"),
    "data empty JSON": changed(data=b""),
    "data no UTF-8": changed(data=b'"SECRET\xff"'),
    "data number overflow": changed(data=b"1e999"),
    "data with twins": changed(data=b'{"a":{"b":1,"b":1}}'),
    "data deep": changed(data=b"[" * 129 + b"]" * 129),
    "data deeper than the stack": changed(data=b"[" * 100_000 + b"]" * 100_000),
}


@pytest.mark.parametrize("event", BAD.values(), ids=BAD)
def test_what_could_not_be_had_back_is_refused_by_name(event: Event) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        prepare(StreamAppend("orders-1", [NewEvent(event=event)]))
    assert "SECRET" not in str(refusal.value)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "additions",
    [
        {"topic": "a\0b"},
        {"topic": 1},
        {"tenant": "\ud800"},
        {"correlation_id": b"x"},
        {"correlation_uid": "6d1b3a52-6f0f-5a53-9f0b-0e6c5f6f7a10"},
        {"causation_uid": 7},
        {"origin": "elsewhere"},
        {"origin": None},
        {"schema_version": -1},
        {"schema_version": 2**31},
        {"schema_version": 1.0},
        {"schema_version": True},
    ],
)
def test_what_the_store_adds_is_checked_likewise(additions: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent):
        check(NewEvent(event=GOOD, **additions))


@pytest.mark.parametrize("stream", ["", "x" * 2001, "a\0", "\ud800", None, 7])
def test_a_stream_is_checked_before_anything_is_sent(stream: Any) -> None:
    with pytest.raises(InvalidEvent):
        prepare(StreamAppend(stream, [NewEvent(event=GOOD)]))


def test_an_event_that_no_message_could_carry_is_refused() -> None:
    octets = changed(datacontenttype="application/octet-stream", data=bytes(50_400_000))
    assert size_of(octets) > MAX_EVENT_BYTES
    with pytest.raises(InvalidEvent, match="67108864 are the most"):
        check(NewEvent(event=octets))
    smaller = msgspec.structs.replace(octets, data=bytes(45_000_000))
    many = [NewEvent(event=msgspec.structs.replace(smaller, id=str(n))) for n in range(6)]
    with pytest.raises(InvalidEvent, match="split it"):
        prepare(StreamAppend("orders-1", many))


@pytest.mark.parametrize(
    ("event_type", "version"),
    [("a.v0", 0), ("a.v1", 1), ("a.v00", 0), ("a.v999999999", 999999999)],
)
def test_any_version_at_the_end_of_a_type_is_kept(event_type: str, version: int) -> None:
    assert schema_version_of(event_type) == version
    check(NewEvent(event=changed(type=event_type)))


@given(events())
def test_every_event_that_can_be_read_can_be_kept(event: Event) -> None:
    check(NewEvent(event=event, origin=Origin.RECEIVED))
    assert len(to_json(event)) <= size_of(event)


anything = json_values | st.binary(max_size=4) | st.floats() | st.integers()
names = st.sampled_from(["x", "hops", "traceparent", "id", "data", "X", "", "é"]) | st.text(
    max_size=3
)


@given(st.dictionaries(names, anything, max_size=3), st.none() | st.text(max_size=3), anything)
def test_what_is_kept_is_read_and_sent_as_the_same_event(
    extensions: dict[str, Any], subject: str | None, data: Any
) -> None:
    event = changed(extensions=extensions, subject=subject, data=data)
    try:
        row = encode(NewEvent(event=event))
    except InvalidEvent:
        return
    back = decode(row_of(row))  # type: ignore[arg-type]
    assert back.event == event
    assert from_json(to_json(back.event)).digest == event.digest


def row_of(row: EventRow, envelope: str | None = None) -> tuple[object, ...]:
    """The row of a reading statement for an event's columns."""
    uid, emitted, kind, correlation_id, correlation_uid, causation_uid, _, text, data = row
    links = (correlation_id, correlation_uid, causation_uid)
    return (1, uid, "s", 1, bytes(8), emitted, kind, *links, envelope or text, data, None)


@pytest.mark.parametrize(
    "envelope",
    [
        *(
            f'{{"id":"a","source":"/a","extensions":{extensions}}}'
            for extensions in ('{"x": null}', '{"x": 1.5}', '{"x": {}}', '{"": 0}', "[1]", "7")
        ),
        "{}",
        '{"id":"a"}',
        '{"id":7,"source":"/a"}',
        '{"id":"a","source":"/a","subject":[]}',
        '{"id":"a","source":"/a","schema_version":"x","time":{}}',
        '{"id":"a","source":"/a","subject":"\\ud800"}',
    ],
)
def test_a_row_that_this_program_would_not_write_is_read_and_not_sent(envelope: str) -> None:
    stored = decode(row_of(encode(NewEvent(event=GOOD)), envelope))  # type: ignore[arg-type]
    assert event_problem(stored.event) is not None
    with pytest.raises(EncodeError, match="not a CloudEvent"):
        to_json(stored.event)


@given(st.binary(max_size=20) | json_values.map(msgspec.json.encode))
def test_data_that_is_kept_can_be_sent(data: bytes) -> None:
    event = changed(data=data)
    try:
        check(NewEvent(event=event))
    except InvalidEvent:
        return
    assert from_json(to_json(event)).digest == event.digest


def test_data_that_was_checked_is_not_read_again_and_its_digest_is_kept() -> None:
    event = changed(data=b'{"a": 1}')
    new = checked(NewEvent(event=event))
    assert new.digest == event.digest
    # What is no JSON would be refused if it were read.
    unread = msgspec.structs.replace(new, event=changed(data=b"{"))
    assert encode(unread)[DIGEST] == event.digest
    with pytest.raises(InvalidEvent):
        checked(NewEvent(event=unread.event))
