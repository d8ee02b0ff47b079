"""Parts of archives: events survive exactly, and every change is noticed."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.history.removal.part import PartRefused, event_of, line_of, pack, unpack
from eventstore.events import Event, Origin, StoredEvent, microseconds
from tests.unit.bridge.strategies import events, texts

datas = st.none() | st.binary(max_size=40) | st.just(b"") | texts.map(str.encode)


@st.composite
def stored_events(draw: st.DrawFn, position: int | None = None) -> StoredEvent:
    event: Event = draw(events())
    return StoredEvent(
        event=event,
        uid=event.uid,
        stream=draw(texts),
        version=draw(st.integers(1, 2**63 - 1)),
        position=position or draw(st.integers(1, 2**63 - 1)),
        recorded_us=microseconds(draw(st.datetimes(timezones=st.just(UTC)))),
        origin=draw(st.sampled_from(Origin)),
        topic=draw(st.none() | texts),
        correlation_id=draw(texts),
        correlation_uid=draw(st.uuids()),
        causation_id=draw(st.none() | texts),
        causation_uid=draw(st.none() | st.uuids()),
        tenant=draw(st.none() | texts),
        schema_version=draw(st.integers(0, 2**31 - 1)),
    )


def _event(position: int, data: bytes | None) -> StoredEvent:
    event = Event(id=str(position), source="/shop", type="placed.v1", data=data)
    return StoredEvent(
        event=event,
        uid=event.uid,
        stream="order-1",
        version=position,
        position=position,
        recorded_us=microseconds(datetime(2026, 1, 1, tzinfo=UTC)),
        origin=Origin.RECEIVED,
        topic=None,
        correlation_id="1",
        correlation_uid=event.uid,
        causation_id=None,
        causation_uid=None,
        tenant=None,
        schema_version=1,
    )


@given(stored_events())
def test_an_event_survives_its_line(stored: StoredEvent) -> None:
    line = line_of(stored)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert event_of(line) == stored


@given(datas)
def test_any_bytes_survive(data: bytes | None) -> None:
    stored = _event(1, data)
    assert event_of(line_of(stored)) == stored


def test_a_part_has_the_digests_of_its_object_and_its_lines() -> None:
    lines = [line_of(_event(position, b'{"n": 1}')) for position in range(1, 4)]
    part, packed = pack("part-1", lines, 1, 3)
    assert (part.events, part.first, part.last) == (3, 1, 3)
    assert part.sha256 == hashlib.sha256(packed).hexdigest()
    assert part.rows_sha256 == hashlib.sha256(b"".join(lines)).hexdigest()
    assert unpack(part, packed) == lines


def test_a_changed_object_is_refused() -> None:
    part, packed = pack("part-1", [line_of(_event(1, b"1"))], 1, 1)
    for at in range(len(packed)):
        changed = bytearray(packed)
        changed[at] ^= 1
        with pytest.raises(PartRefused, match="part-1 was changed or damaged"):
            unpack(part, bytes(changed))


def test_a_changed_line_is_refused() -> None:
    line = line_of(_event(1, b"12345"))
    with pytest.raises(PartRefused, match="data of the event at position 1 were changed"):
        event_of(line.replace(b"12345", b"12346"))
    with pytest.raises(PartRefused, match="not an archived event"):
        event_of(b"{}\n")


def test_a_part_may_be_empty() -> None:
    part, packed = pack("part-1", [], 1, 5)
    assert unpack(part, packed) == []
