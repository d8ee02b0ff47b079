"""Removing while others append and follow: nobody misses anything, and no repeat is stored twice."""

import asyncio
import random

import pytest

from bridge.history.removal.archive import Bodies
from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin
from eventstore.filters import Filter
from eventstore.store import EventStore
from tests.integration.eventstore.followers import following
from tests.integration.history.removal.conftest import all_events, pruned
from tests.support.waiting import eventually

WRITERS = 3
ROUNDS = 60
SIZE = 10


def _events(writer: int, turn: int) -> list[NewEvent]:
    return [
        NewEvent(
            event=Event(
                id=f"{writer}-{turn}-{number}",
                source="/load",
                type="io.example.load.done.v1",
                data=b'{"n": %d}' % number,
            ),
            origin=Origin.RECEIVED,
        )
        for number in range(SIZE)
    ]


async def _write(url: str, writer: int) -> set[int]:
    """Append, and now and then append again what may have lost its body by now."""
    rng = random.Random(writer)
    database = await Database.connect(url, size=2)
    store = EventStore(database)
    mine: set[int] = set()
    for turn in range(ROUNDS):
        # Some streams end early: their last event loses its body too.
        stream = f"load{writer}-{turn // 7}"
        result = await store.append(stream, _events(writer, turn))
        assert not result.duplicate
        mine |= set(result.positions)
        past = rng.randrange(turn + 1)
        repeated = await store.append(f"load{writer}-{past // 7}", _events(writer, past))
        assert repeated.duplicate
    await store.aclose()
    await database.close()
    return mine


@pytest.mark.slow
async def test_followers_miss_nothing_and_repeats_change_nothing(
    database: Database, store: EventStore, migrated_database_url: str, folder: str
) -> None:
    written = [
        asyncio.create_task(_write(migrated_database_url, number)) for number in range(WRITERS)
    ]
    one_stream = Filter(stream="load0-0")
    async with following(store) as everything, following(store, where=one_stream) as one:
        removed = 0
        while not all(task.done() for task in written):
            removed += (await pruned(database, store, folder)).outcome.removed
        committed = set().union(*await asyncio.gather(*written))
        removed += (await pruned(database, store, folder)).outcome.removed
        end = await store.settled()
        await eventually(lambda: min(everything.through, one.through) >= end, within=120)
        seen, of_stream = everything.positions, one.positions
    assert seen == sorted(committed)
    assert len(of_stream) == 7 * SIZE
    assert removed == len(committed) == WRITERS * ROUNDS * SIZE
    # The archive has all that was removed; each event is checked by its digest when it is read.
    events = await all_events(store)
    assert all(each.removal is not None for each in events)
    back = await Bodies(database).restored(events)
    assert all(each.removal is None and each.event.data for each in back)
    assert {each.event.id for each in back} == {
        f"{writer}-{turn}-{number}"
        for writer in range(WRITERS)
        for turn in range(ROUNDS)
        for number in range(SIZE)
    }
