"""Appends at the same time: races, the shared commit, and who does not spoil it."""

import asyncio
from uuid import uuid4

import pytest

from eventstore.appending import Appended
from eventstore.database import Database
from eventstore.errors import AppendRefused, Conflict, InvalidEvent, WrongExpectedVersion
from eventstore.events import NewEvent
from eventstore.expected import NoStream
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_event, new_events

WAITING = "SELECT count(*) = 2 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


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
    databases = [await Database.connect(store_url, size=3) for _ in range(4)]
    stores = [EventStore(each) for each in databases]
    results = await asyncio.gather(
        *[one.append("a-1", [event]) for one in stores for _ in range(5)]
    )
    assert {result.positions for result in results} == {(1,)}
    assert [result.duplicate for result in results].count(False) == 1
    for each in databases:
        await each.close()


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
    databases = [await Database.connect(store_url, size=3) for _ in range(4)]
    stores = [EventStore(each) for each in databases]
    for _ in range(20):
        event = new_event()
        results = await asyncio.gather(
            *[one.append(f"a-{uuid4().hex}", [event]) for one in stores], return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == [
            "Appended",
            *3 * ["Conflict"],
        ]
    for each in databases:
        await each.close()


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
