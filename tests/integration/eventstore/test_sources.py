"""Sources are listed with their first event, and no append waits for another one to do so."""

import pytest

from eventstore.database import Database
from eventstore.errors import WrongExpectedVersion
from eventstore.events import Event, NewEvent
from eventstore.expected import Exact
from eventstore.filters import Filter
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore


def of(source: str, number: int = 1) -> NewEvent:
    return NewEvent(event=Event(id=f"{source} {number}", source=source, type="a.v1"))


async def test_a_source_is_listed_once_with_its_first_event(
    store: EventStore, database: Database
) -> None:
    for number in range(3):
        await store.append("a-1", [of("/a", number), of("/b", number)])
        await store.append(f"b-{number}", [of("/c", number)])
    assert await store.sources(10) == ["/a", "/b", "/c"]
    assert await database.fetchval("SELECT count(*) FROM event_sources") == 3
    assert await store.sources(2) == ["/a", "/b"]


async def test_a_source_of_a_transaction_that_was_rolled_back_is_listed_by_the_next_append(
    store: EventStore, database: Database
) -> None:
    async with database.connection() as connection:
        await connection.execute("BEGIN")
        for number in range(3):
            append = StreamAppend("a-1", [of("/a", number)])
            await store.append_each([append], connection=connection)
        await connection.execute("ROLLBACK")
    assert await store.sources(10) == []
    await store.append("a-1", [of("/a")])
    assert await store.sources(10) == ["/a"]


async def test_a_refused_append_lists_nothing(store: EventStore) -> None:
    with pytest.raises(WrongExpectedVersion):
        await store.append("a-1", [of("/a")], expected=Exact(7))
    assert await store.sources(10) == []
    await store.append("a-1", [of("/a")])
    assert await store.sources(10) == ["/a"]


async def test_no_append_waits_for_one_that_lists_the_same_source(
    store: EventStore, database: Database
) -> None:
    async with database.transaction() as slow:
        await store.append_each([StreamAppend("slow-1", [of("/a", 1)])], connection=slow)
        await store.append("a-1", [of("/a", 2)])
        await EventStore(database).append("b-1", [of("/a", 3)])
    assert await store.sources(10) == ["/a"]


async def test_the_first_event_of_a_chain_is_found_by_its_id(
    store: EventStore, database: Database
) -> None:
    first = of("/a").event
    await store.append("a-1", [NewEvent(event=first), of("/b")])
    later = Event(id="2", source="/b", type="a.v1", extensions={"correlationid": first.id})
    await store.append("a-2", [NewEvent(event=later, correlation_uid=first.uid)])
    where = Filter(correlation_id=first.id)
    assert [each.event.id async for each in store.read_all(where=where)] == [first.id, "2"]
    assert await store.count(where) == 2
    # A follower knows no sources: it looks into the envelopes.
    async with store.subscribe(where=where) as subscription:
        batch = await anext(subscription.batches())
        assert [each.event.id for each in batch.events] == [first.id, "2"]
    await database.execute("DELETE FROM event_sources")
    assert [each.event.id async for each in store.read_all(where=where)] == ["2"]
