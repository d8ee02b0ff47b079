"""Appends to one stream, one after the other."""

from uuid import uuid4

import pytest

from eventstore.appending import Appended
from eventstore.errors import Conflict, WrongExpectedVersion
from eventstore.events import uid
from eventstore.expected import Exact, NoStream, StreamExists
from eventstore.store import EventStore
from tests.unit.eventstore.builders import new_event, new_events


async def positions(store: EventStore) -> list[int]:
    return [stored.position async for stored in store.read_all()]


async def test_versions_count_within_the_stream_and_positions_over_the_store(
    store: EventStore,
) -> None:
    first = await store.append("a-1", new_events(2))
    other = await store.append("b-1", new_events(1))
    second = await store.append("a-1", new_events(2), expected=Exact(2))
    assert (first.first_version, first.last_version, first.duplicate) == (1, 2, False)
    assert (second.first_version, second.last_version) == (3, 4)
    assert first.positions + other.positions + second.positions == (1, 2, 3, 4, 5)


@pytest.mark.parametrize("count", [1, 3, 50])
async def test_the_same_events_again_give_the_first_result(
    store: EventStore, count: int
) -> None:
    events = new_events(count)
    first = await store.append("a-1", events, expected=NoStream())
    await store.append("a-1", new_events(1))
    again = await store.append("a-1", events, expected=NoStream())
    assert again == Appended("a-1", 1, count, first.positions, duplicate=True)
    assert await store.count() == count + 1


async def test_other_white_space_is_no_other_body(store: EventStore) -> None:
    await store.append("a-1", [new_event("1", data=b'{"n": 1}')])
    again = await store.append(
        "a-1", [new_event("1", data=b'{"n":1}', time="2026-01-02T00:00:00Z")]
    )
    assert again.duplicate


async def test_another_body_is_a_conflict_that_names_both(store: EventStore) -> None:
    await store.append("a-1", [new_event("1")])
    with pytest.raises(Conflict) as refused:
        await store.append("b-1", [new_event("1", data=b'{"n":2}')])
    conflict = refused.value
    assert (conflict.reason, conflict.uid) == ("body", uid("/tests", "1"))
    assert (conflict.stored_stream, conflict.stream) == ("a-1", "b-1")


async def test_another_stream_is_a_conflict(store: EventStore) -> None:
    await store.append("a-1", [new_event("1")])
    with pytest.raises(Conflict) as refused:
        await store.append("b-1", [new_event("1")])
    assert refused.value.reason == "stream"
    assert refused.value.stored_stream == "a-1"


async def test_a_part_of_a_batch_that_is_there_already_is_a_conflict(store: EventStore) -> None:
    one, two, three = new_events(3)
    await store.append("a-1", [one, two])
    for batch in ([two, three], [three, one], [two, one]):
        with pytest.raises(Conflict) as refused:
            await store.append("a-1", batch)
        assert refused.value.reason == "partial"
    assert (await store.append("a-1", [two])).duplicate
    assert await store.count() == 2


async def test_events_appended_apart_are_no_batch_unless_side_by_side(
    store: EventStore,
) -> None:
    one, two, three = new_events(3)
    for event in (one, two, three):
        await store.append("a-1", [event])
    assert (await store.append("a-1", [one, two])).duplicate
    with pytest.raises(Conflict, match="not as part of the same batch"):
        await store.append("a-1", [one, three])


async def test_expectations(store: EventStore) -> None:
    with pytest.raises(WrongExpectedVersion) as refused:
        await store.append("a-1", new_events(1), expected=StreamExists())
    assert refused.value.actual == 0
    await store.append("a-1", new_events(2), expected=NoStream())
    for expected in (NoStream(), Exact(1), Exact(3), Exact(0)):
        for count in (1, 2):
            with pytest.raises(WrongExpectedVersion) as refused:
                await store.append("a-1", new_events(count), expected=expected)
            assert refused.value.actual == 2
    await store.append("a-1", new_events(1), expected=StreamExists())
    assert await store.stream_version("a-1") == 3


async def test_the_refused_and_the_repeated_leave_no_gaps(store: EventStore) -> None:
    event = new_event()
    await store.append("a-1", [event])
    for _ in range(5):
        await store.append("a-1", [event])
        with pytest.raises(WrongExpectedVersion):
            await store.append("a-1", new_events(2), expected=NoStream())
        with pytest.raises(Conflict):
            await store.append("b-1", [event, new_event()])
    await store.append("a-1", new_events(1))
    assert await positions(store) == [1, 2]


async def test_what_is_stored_comes_back_whole(store: EventStore) -> None:
    first = new_event("1")
    event = new_event(
        "2",
        subject="order 7",
        time="2026-01-02T03:04:05.123456789Z",
        datacontenttype="application/octet-stream",
        dataschema="https://example.org/s",
        data=b"\x00\xff",
        extensions={
            "traceparent": "00-1-2-01",
            "tracestate": "a=1",
            "causationid": "1",
            "correlationid": "1",
            "n": 5,
            "yes": True,
            "odd": 'é"\\u0000',
        },
        topic="orders.placed",
        tenant="acme",
        correlation_uid=first.event.uid,
        causation_uid=first.event.uid,
    )
    nothing = new_event("3", data=None)
    await store.append("order-7", [first, event, nothing])
    stored = await store.get(event.event.uid)
    assert stored is not None
    assert stored.event == event.event
    assert (stored.topic, stored.tenant) == ("orders.placed", "acme")
    assert (stored.correlation_id, stored.causation_id) == ("1", "1")
    assert (stored.correlation_uid, stored.causation_uid) == (first.event.uid,) * 2
    assert stored.event.digest == event.event.digest
    empty = await store.get(nothing.event.uid)
    assert empty is not None
    assert empty.event.data is None
    assert empty.correlation_uid == nothing.event.uid
    assert await store.get(uuid4()) is None
