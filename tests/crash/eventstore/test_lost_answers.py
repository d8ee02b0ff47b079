"""The answer to a commit is cut off: the retry gets "duplicate", and there is one row."""

import pytest

from eventstore.database import Database
from eventstore.errors import Unavailable, WrongExpectedVersion
from eventstore.expected import Exact, NoStream
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from tests.support.proxy import Proxy
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_event, new_events

COMMITTED = b"COMMIT\0"
"""The tag of the answer to COMMIT."""

SELECTED = b"SELECT 1\0"
"""The tag of the answer to an append that commits by itself."""


@pytest.mark.parametrize("count", [1, 40])
async def test_after_a_lost_answer_the_same_append_again_is_a_duplicate(
    store: EventStore, store_url: str, count: int
) -> None:
    async with Proxy.to(store_url) as proxy:
        database = await Database.connect(proxy.through(store_url), deadline=3, size=1)
        far = EventStore(database)
        await far.append("a-1", new_events(count))
        for attempt in range(5):
            events, version = new_events(count), await store.stream_version("a-1")
            # Nothing else may trip the wire: an announcement is a SELECT too.
            await far.aclose()
            cut = proxy.cut_response(at=SELECTED)
            with pytest.raises(Unavailable) as lost:
                await far.append("a-1", events, expected=Exact(version))
            assert lost.value.ambiguous
            assert cut.tripped.is_set()

            async def stored(version: int = version) -> bool:
                return await store.stream_version("a-1") == version + count

            await eventually(stored)
            again = await far.append("a-1", events, expected=Exact(version))
            assert again.duplicate
            assert again.first_version == version + 1, attempt
            assert await store.count() == version + count
        await database.close()


async def test_the_same_within_a_caller_s_transaction(
    store: EventStore, store_url: str
) -> None:
    async with Proxy.to(store_url) as proxy:
        database = await Database.connect(proxy.through(store_url), deadline=3, size=1)
        far, event = EventStore(database), new_event()

        async def record() -> bool:
            async with database.transaction() as connection:
                (done,) = await far.append_many(
                    [StreamAppend("a-1", [event], NoStream())], connection=connection
                )
            return done.duplicate

        proxy.cut_response(at=COMMITTED)
        with pytest.raises(Unavailable) as lost:
            await record()
        assert lost.value.ambiguous

        async def stored() -> bool:
            return await store.count() == 1

        await eventually(stored)
        assert await record()
        assert await store.count() == 1
        await database.close()


async def test_a_request_that_never_arrived_is_written_by_the_retry(
    store: EventStore, store_url: str
) -> None:
    async with Proxy.to(store_url) as proxy:
        database = await Database.connect(proxy.through(store_url), deadline=3, size=1)
        far, event = EventStore(database), new_event("never-arrived")
        await far.append("a-1", new_events(1))
        proxy.cut_request(at=b"never-arrived")
        with pytest.raises(Unavailable):
            await far.append("a-1", [event])
        done = await far.append("a-1", [event])
        assert not done.duplicate
        with pytest.raises(WrongExpectedVersion):
            await far.append("a-1", new_events(1), expected=NoStream())
        assert await store.count() == 2
        await database.close()
