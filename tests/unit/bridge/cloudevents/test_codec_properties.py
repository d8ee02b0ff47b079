"""What holds for every event, and for every message that is none."""

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cloudevents.codec import decode, encode, from_json, to_json
from bridge.errors import DecodeError
from eventstore.events import Event
from tests.unit.bridge.strategies import as_texts, binary, events, json_values, texts, times

header_names = st.sampled_from(
    [
        "ce-id",
        "ce-source",
        "ce-type",
        "ce-specversion",
        "ce-time",
        "ce-datacontenttype",
        "Ce-Id",
        "ce-x",
        "Content-Type",
        "Status",
    ],
) | st.text(max_size=8)
header_values = (
    st.sampled_from(["1.0", "42", "/shop", "application/json", "application/cloudevents+json"])
    | st.text(st.characters(), max_size=12)
    | st.binary(max_size=8).map(lambda value: value.decode(errors="surrogateescape"))
)


@given(events())
def test_what_is_rendered_is_read_back(event: Event) -> None:
    assert from_json(to_json(event)) == event


@given(events())
def test_structured_mode_is_one_line_of_utf_8(event: Event) -> None:
    headers, payload = encode(event)
    assert headers == {"Content-Type": "application/cloudevents+json"}
    assert b"\n" not in payload
    json.loads(payload)


@given(events())
def test_both_modes_tell_the_same_event(event: Event) -> None:
    structured = decode(*encode(event))
    from_headers = decode(*binary(event))
    assert as_texts(structured) == from_headers
    assert from_headers.digest == structured.digest
    assert from_headers.uid == structured.uid


@given(events(), st.none() | texts, st.none() | times())
def test_the_digest_is_about_type_and_data_alone(
    event: Event,
    subject: str | None,
    time: str | None,
) -> None:
    other = msgspec.structs.replace(
        event, id="other", source="/other", subject=subject, time=time, extensions={"x": 1}
    )
    assert other.digest == event.digest


@given(json_values, st.integers(0, 8))
def test_the_digest_ignores_white_space_between_tokens(value: Any, indent: int) -> None:
    tight = Event(id="42", source="/shop", type="t", data=msgspec.json.encode(value))
    loose = msgspec.structs.replace(
        tight, data=b" \n" + msgspec.json.format(tight.data or b"", indent=indent) + b"\t\r"
    )
    assert loose.digest == tight.digest


@given(events(), events())
def test_the_digest_tells_types_and_data_apart(one: Event, other: Event) -> None:
    alike = (one.type, one.data) == (other.type, other.data)
    assert (one.digest == other.digest) == alike


@given(events(), st.binary(min_size=1, max_size=20))
def test_the_digest_minds_every_byte_that_is_no_json(event: Event, more: bytes) -> None:
    octets = msgspec.structs.replace(
        event, datacontenttype="application/octet-stream", data=event.data or b"."
    )
    longer = msgspec.structs.replace(octets, data=(octets.data or b"") + more)
    assert octets.digest != longer.digest


@settings(max_examples=200)
@given(st.none() | st.dictionaries(header_names, header_values, max_size=8), st.binary())
def test_any_bytes_are_an_event_or_refused(
    headers: dict[str, str] | None,
    payload: bytes,
) -> None:
    decode_or_refuse(headers, payload)


@settings(max_examples=200)
@given(events(), st.data())
def test_a_damaged_message_is_an_event_or_refused(event: Event, data: st.DataObject) -> None:
    headers, payload = data.draw(st.sampled_from([encode(event), binary(event)]))
    for _ in range(data.draw(st.integers(1, 3))):
        payload = data.draw(damaged(payload))
    if data.draw(st.booleans()):
        headers = {**headers, data.draw(header_names): data.draw(header_values)}
    decode_or_refuse(headers, payload)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=6))
def test_any_json_object_is_an_event_or_refused(members: dict[str, Any]) -> None:
    whole = {"specversion": "1.0", "id": "42", "source": "/shop", "type": "t", **members}
    decode_or_refuse(None, msgspec.json.encode(whole))


@st.composite
def damaged(draw: st.DrawFn, payload: bytes) -> bytes:
    """Some bytes cut out, and others put in their place."""
    begin = draw(st.integers(0, len(payload)))
    end = draw(st.integers(begin, min(len(payload), begin + 8)))
    tokens = [b"", b'"', b"\\", b"{", b"]", b",", b"null", b"\xff", b"\0", b"\\ud800", b"1e999"]
    return payload[:begin] + draw(st.sampled_from(tokens)) + payload[end:]


def decode_or_refuse(headers: dict[str, str] | None, payload: bytes) -> None:
    """Decode; an event must be passed on as the same event, and any fault is a DecodeError."""
    try:
        event = decode(headers, payload)
    except DecodeError:
        return
    assert from_json(to_json(event)).digest == event.digest
