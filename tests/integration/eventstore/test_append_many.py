"""Batches over streams, and batches in the transaction of a caller."""

import pytest

from eventstore.appending import Appended
from eventstore.database import Database
from eventstore.errors import Conflict, WrongExpectedVersion
from eventstore.expected import Exact, NoStream
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from tests.unit.eventstore.builders import new_event, new_events


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
