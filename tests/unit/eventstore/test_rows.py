import struct
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.errors import InvalidEvent
from eventstore.events import Event, NewEvent, Origin, microseconds
from eventstore.prepared import StreamAppend, prepare, rounds
from eventstore.rows import decode, encode
from tests.unit.bridge.strategies import events
from tests.unit.eventstore.builders import new_event, prepared


@pytest.mark.parametrize(
    "event",
    [
        new_event("a\0b"),
        new_event("\ud800"),
        new_event(subject="\0"),
        new_event(subject="\udfff"),
        new_event(type=""),
        new_event(type="x" * 2001),
        new_event(type="é" * 1001),
        new_event(extensions={"note": "\0"}),
        new_event(extensions={"note": "\ud800"}),
        new_event(topic="a\0b"),
        new_event(tenant="\ud800"),
    ],
)
def test_what_postgres_could_not_keep_is_refused_before_it_is_sent(event: object) -> None:
    with pytest.raises(InvalidEvent):
        prepare(StreamAppend("stream", [event]))  # type: ignore[list-item]


@pytest.mark.parametrize("stream", ["", "\0", "\ud800", "s" * 2001])
def test_so_is_a_stream_s_name(stream: str) -> None:
    with pytest.raises(InvalidEvent):
        prepared(stream)


def test_a_text_with_a_backslash_u0000_in_it_is_no_nul() -> None:
    encode(new_event(extensions={"note": "a\\u0000b"}))


def test_an_append_holds_something_and_nothing_twice() -> None:
    with pytest.raises(InvalidEvent, match="without events"):
        prepare(StreamAppend("stream", []))
    event = new_event()
    with pytest.raises(InvalidEvent, match="twice"):
        prepared("stream", event, event)


def test_one_event_in_several_members_makes_rounds_and_streams_keep_their_order() -> None:
    first, second, third = new_event(), new_event(), new_event()
    members = [
        prepared("a", first),
        prepared("a", first),
        prepared("a", second),
        prepared("b", third),
        prepared("b", first),
    ]
    assert rounds(members) == [[0, 3], [1, 2], [4]]
    assert rounds(members[:1]) == [[0]]
    assert rounds([members[0], members[3]]) == [[0, 1]]


uuids = st.none() | st.uuids()
texts = st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=4)


@given(
    events(),
    st.sampled_from(Origin),
    texts,
    texts,
    uuids,
    uuids,
    st.none() | st.integers(0, 2**31 - 1),
)
def test_an_event_read_back_is_the_one_that_was_appended(
    event: Event,
    origin: Origin,
    topic: str | None,
    correlation_id: str | None,
    correlation_uid: UUID | None,
    causation_uid: UUID | None,
    schema_version: int | None,
) -> None:
    new = NewEvent(
        event=event,
        origin=origin,
        topic=topic,
        tenant=topic,
        correlation_id=correlation_id,
        correlation_uid=correlation_uid,
        causation_uid=causation_uid,
        schema_version=schema_version,
    )
    uid, emitted, kind, *links, _, envelope, data = encode(new)
    moment = struct.pack(">q", 86_400_000_000 + 5)
    row = (7, uid, "s", 3, moment, emitted, kind, *links, envelope, data, None)
    stored = decode(row)  # type: ignore[arg-type]
    assert stored.event == event
    assert (stored.uid, stored.position, stored.version) == (event.uid, 7, 3)
    assert stored.recorded_at == datetime(2000, 1, 2, microsecond=5, tzinfo=UTC)
    assert microseconds(stored.recorded_at) == stored.recorded_us
    assert (stored.origin, stored.topic, stored.tenant) == (origin, topic, topic)
    own = event.extensions.get("correlationid")
    own = own if isinstance(own, str) else None
    assert stored.correlation_id == (correlation_id or own or event.id)
    assert stored.correlation_uid == (correlation_uid or event.uid)
    cause = event.extensions.get("causationid")
    assert stored.causation_id == (cause if isinstance(cause, str) else None)
    assert stored.causation_uid == causation_uid
    if schema_version is not None:
        assert stored.schema_version == schema_version
    assert envelope.encode() == msgspec.json.format(envelope, indent=-1).encode()


def test_a_tombstone_is_read_with_its_place_and_its_links() -> None:
    uid, cause = uuid4(), uuid4()
    row = (7, uid, "s", 3, bytes(8), True, "a.v1", "chain", None, cause, "{}", None, 5)
    stored = decode(row)  # type: ignore[arg-type]
    assert (stored.removal, stored.event.data, stored.event.id) == (5, None, "")
    assert (stored.correlation_id, stored.causation_uid, stored.uid) == ("chain", cause, uid)
