"""Removing while others append and follow: nobody misses anything, and no repeat is stored twice."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from bridge.history.removal.archive import Bodies
from bridge.history.removal.pruner import Pruner
from bridge.history.removal.row_deleter import RowDeleter
from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin
from eventstore.filters import Filter
from eventstore.removals import Removals
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints
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


class _Writer:
    """Appends batches, and repeats only the last two."""

    def __init__(self) -> None:
        self.turn = 0
        self.positions: set[int] = set()

    async def run(self, url: str, writer: int) -> None:
        rng = random.Random(writer)
        database = await Database.connect(url, size=2)
        store = EventStore(database)
        for turn in range(ROUNDS):
            result = await store.append(f"load{writer}-{turn // 7}", _events(writer, turn))
            assert not result.duplicate
            self.positions |= set(result.positions)
            past = rng.choice([turn, max(0, turn - 1)])
            repeated = await store.append(f"load{writer}-{past // 7}", _events(writer, past))
            assert repeated.duplicate
            self.turn = turn + 1
        await store.aclose()
        await database.close()


async def _two_turns_further(writers: Sequence[_Writer]) -> None:
    wanted = [min(ROUNDS, each.turn + 2) for each in writers]
    await eventually(
        lambda: all(each.turn >= turn for each, turn in zip(writers, wanted, strict=True)),
        within=120,
    )


@pytest.mark.slow
@pytest.mark.torture
async def test_rows_go_beyond_the_horizon_and_nothing_that_is_kept_is_missed(
    database: Database, store: EventStore, migrated_database_url: str, folder: str
) -> None:
    writers = [_Writer() for _ in range(WRITERS)]
    tasks = [
        asyncio.create_task(each.run(migrated_database_url, number))
        for number, each in enumerate(writers)
    ]
    deleted = 0
    where = Filter(stream="load0-0")
    async with following(store) as everything, following(store, where=where) as one:
        while not all(task.done() for task in tasks):
            # Nothing up to this moment is repeated once each writer has gone two turns further.
            moment = await database.fetchval("select clock_timestamp()")
            await _two_turns_further(writers)
            # As a daemon's readers do: nothing above their checkpoint goes.
            at = min(everything.through, one.through)
            await Checkpoints(database).save("followers", at)
            await pruned(database, store, folder)
            bound = await Pruner(database, store).bound()
            _, outcome = await RowDeleter(database, store).delete(
                bound, moment, who="a test", why="it is old"
            )
            deleted += outcome.removed
        await asyncio.gather(*tasks)
        end = await store.settled()
        await eventually(lambda: min(everything.through, one.through) >= end, within=120)
        seen, of_stream = everything.positions, one.positions
    committed = set().union(*(each.positions for each in writers))
    assert seen == sorted(committed)
    assert len(of_stream) == 7 * SIZE
    assert deleted > 0
    left = {each.position for each in await all_events(store)}
    assert len(left) == len(committed) - deleted
    gone = committed - left
    assert await Removals(database).deleted_among(sorted(committed)) == gone
    for writer in range(WRITERS):
        for stream in range(-(-ROUNDS // 7)):
            version = min(7, ROUNDS - 7 * stream) * SIZE
            assert await store.stream_version(f"load{writer}-{stream}") == version
