import asyncio
from uuid import uuid4

import pytest

from eventstore.appending import Appended, StreamAppend
from eventstore.database import Database
from eventstore.errors import AppendRefused, Conflict, InvalidEvent, WrongExpectedVersion
from eventstore.events import NewEvent, uid
from eventstore.expected import Exact, NoStream, StreamExists
from eventstore.store import EventStore
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_event, new_events

WAITING = "SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


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
    again = await store.append("a-1", [new_event("1", data=b'{"n":1}', time="later")])
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
    with pytest.raises(Conflict, match="not as part of this very batch"):
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


async def test_of_many_that_expect_the_same_version_one_wins(store: EventStore) -> None:
    results = await asyncio.gather(
        *[store.append("hot-1", new_events(1), expected=NoStream()) for _ in range(30)],
        *[store.append("hot-1", new_events(25), expected=NoStream()) for _ in range(6)],
        return_exceptions=True,
    )
    won = [result for result in results if isinstance(result, Appended)]
    lost = [result for result in results if isinstance(result, WrongExpectedVersion)]
    assert (len(won), len(lost)) == (1, 35)
    assert await store.count() == len(won[0].positions)


async def test_the_same_event_from_many_at_once_is_stored_once(store_url: str) -> None:
    event = new_event()
    stores = [EventStore(await Database.connect(store_url, size=3)) for _ in range(4)]
    results = await asyncio.gather(
        *[one.append("a-1", [event]) for one in stores for _ in range(5)]
    )
    assert {result.positions for result in results} == {(1,)}
    assert [result.duplicate for result in results].count(False) == 1
    for one in stores:
        await one._database.close()  # noqa: SLF001 - the test opened it


async def test_the_same_events_for_different_streams_at_once_are_stored_in_one(
    store: EventStore,
) -> None:
    for _ in range(4):
        events = new_events(30)
        back = events[::-1]
        results = await asyncio.gather(
            store.append("a-" + uuid4().hex, events),
            store.append("b-" + uuid4().hex, back),
            store.append("c-" + uuid4().hex, events[:1]),
            return_exceptions=True,
        )
        won = [result for result in results if isinstance(result, Appended)]
        lost = [result for result in results if isinstance(result, Conflict)]
        assert len(won) + len(lost) == 3
        assert won
        assert await store.stream_version(won[0].stream) == len(won[0].positions)


async def test_one_event_for_different_streams_at_once_is_stored_in_one(store_url: str) -> None:
    stores = [EventStore(await Database.connect(store_url, size=3)) for _ in range(4)]
    for _ in range(20):
        event = new_event()
        results = await asyncio.gather(
            *[one.append(f"a-{uuid4().hex}", [event]) for one in stores], return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == [
            "Appended",
            *3 * ["Conflict"],
        ]
    for one in stores:
        await one._database.close()  # noqa: SLF001 - the test opened it


async def test_an_event_that_another_transaction_is_writing_is_waited_for(
    store: EventStore, database: Database
) -> None:
    event, other = new_event(), new_event()
    async with database.transaction() as connection:
        await store.append_each([StreamAppend("a-1", [event])], connection=connection)
        meanwhile = asyncio.create_task(store.append("b-1", [event]))
        joined = asyncio.create_task(_append_in_transaction(store, database, event, other))
        await eventually(lambda: database.fetchval(WAITING), what="two wait for us")
    with pytest.raises(Conflict) as refused:
        await meanwhile
    assert refused.value.reason == "stream"
    assert isinstance(await joined, Conflict)
    assert await store.stream_version("c-1") == 0
    assert await store.stream_version("d-1") == 1


async def _append_in_transaction(
    store: EventStore, database: Database, taken: NewEvent, other: NewEvent
) -> Appended | AppendRefused:
    """The refused leaves the caller's transaction usable."""
    async with database.transaction() as connection:
        (result,) = await store.append_each(
            [StreamAppend("c-1", [taken])], connection=connection
        )
        await store.append_many([StreamAppend("d-1", [other])], connection=connection)
    return result


async def test_a_hot_stream_has_no_gaps_and_no_doubles(store: EventStore) -> None:
    results = await asyncio.gather(*[store.append("hot-1", new_events(1)) for _ in range(200)])
    versions = sorted(result.first_version for result in results)
    assert versions == list(range(1, 201))
    by_version = [stored.position async for stored in store.read_stream("hot-1")]
    assert by_version == sorted(by_version)


async def test_a_batch_over_streams_is_all_or_nothing(store: EventStore) -> None:
    await store.append("a-1", new_events(1))
    good = StreamAppend("b-1", new_events(2), NoStream())
    with pytest.raises(WrongExpectedVersion):
        await store.append_many([good, StreamAppend("a-1", new_events(1), NoStream())])
    assert await store.stream_version("b-1") == 0
    done = await store.append_many([good, StreamAppend("a-1", new_events(1), Exact(1))])
    assert [result.stream for result in done] == ["b-1", "a-1"]
    assert [result.duplicate for result in await store.append_many([good])] == [True]


async def test_members_of_a_batch_are_judged_behind_those_before_them(
    store: EventStore,
) -> None:
    event = new_event()
    results = await store.append_each(
        [
            StreamAppend("a-1", new_events(2), NoStream()),
            StreamAppend("a-1", new_events(1), NoStream()),
            StreamAppend("b-1", [event]),
            StreamAppend("a-1", new_events(1), Exact(2)),
            StreamAppend("a-1", new_events(1), Exact(2)),
            StreamAppend("c-1", [event]),
            StreamAppend("b-1", [event]),
        ]
    )
    first, wrong, stored, third, late, elsewhere, again = results
    assert isinstance(first, Appended)
    assert isinstance(wrong, WrongExpectedVersion)
    assert wrong.actual == 2
    assert isinstance(third, Appended)
    assert third.first_version == 3
    assert isinstance(late, WrongExpectedVersion)
    assert late.actual == 3
    assert isinstance(elsewhere, Conflict)
    assert elsewhere.reason == "stream"
    assert isinstance(stored, Appended)
    assert again == Appended("b-1", 1, 1, stored.positions, duplicate=True)
    assert await store.count() == 4


async def test_positions_follow_the_order_of_the_appends(store: EventStore) -> None:
    appends = [StreamAppend(f"s-{9 - n % 10}", new_events(1 + n % 3)) for n in range(40)]
    results = await store.append_each(appends)
    flat = [
        position
        for result in results
        if isinstance(result, Appended)
        for position in result.positions
    ]
    assert flat == list(range(1, len(flat) + 1))


async def test_all_or_nothing_holds_when_one_event_comes_up_twice(store: EventStore) -> None:
    event = new_event()
    with pytest.raises(Conflict):
        await store.append_many([StreamAppend("a-1", [event]), StreamAppend("b-1", [event])])
    assert await store.count() == 0
    done = await store.append_many([StreamAppend("a-1", [event]), StreamAppend("a-1", [event])])
    assert [result.duplicate for result in done] == [False, True]


async def test_appends_join_the_caller_s_transaction(
    store: EventStore, database: Database
) -> None:
    async def change_my_mind() -> None:
        async with database.transaction() as connection:
            await store.append_each([StreamAppend("a-1", new_events(1))], connection=connection)
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        await change_my_mind()
    assert await store.count() == 0
    await store.append("a-1", new_events(1))
    event = new_event()
    async with database.transaction() as connection:
        with pytest.raises(WrongExpectedVersion):
            await store.append_many(
                [StreamAppend("a-1", new_events(1), NoStream())], connection=connection
            )
        with pytest.raises(Conflict):
            await store.append_many(
                [StreamAppend("c-1", [event]), StreamAppend("d-1", [event])],
                connection=connection,
            )
        refused, done = await store.append_each(
            [
                StreamAppend("a-1", new_events(1), NoStream()),
                StreamAppend("b-1", new_events(1)),
            ],
            connection=connection,
        )
    assert isinstance(refused, WrongExpectedVersion)
    assert isinstance(done, Appended)
    assert await store.count() == 2


async def test_one_that_cannot_be_stored_keeps_the_others_from_nothing(
    store: EventStore,
) -> None:
    good = [store.append(f"a-{n}", new_events(1)) for n in range(20)]
    bad = [store.append(f"b-{n}", [new_event(subject="\0")]) for n in range(5)]
    results = await asyncio.gather(*good, *bad, return_exceptions=True)
    assert [type(result) for result in results] == [Appended] * 20 + [InvalidEvent] * 5


async def test_cancelled_callers_spoil_nothing(store: EventStore) -> None:
    tasks = [asyncio.create_task(store.append(f"a-{n}", new_events(1))) for n in range(60)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    kept = [result for result in results if isinstance(result, Appended)]
    assert len(kept) >= 40
    for result in kept:
        assert await store.stream_version(result.stream) == 1


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
