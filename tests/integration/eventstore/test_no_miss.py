"""Readers miss nothing under writers that do all they can; and the naive reader does, so the test can fail."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest
from typing_extensions import override

from bridge.devstack.addresses import Addresses
from eventstore.appending import Appended
from eventstore.database import Database
from eventstore.migrate import migrate
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from tests.support.databases import database as another_database
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_events

pytestmark = pytest.mark.slow

WRITERS = 8


class RolledBack(Exception):  # noqa: N818 - it is what happens
    """A writer that changes its mind."""


@dataclass
class Reader:
    """What one reader saw, in the order in which it saw it."""

    start: int
    seen: list[int] = field(default_factory=list)
    through: int = 0

    async def read(self, store: EventStore) -> None:
        async with store.subscribe(after=max(self.start, self.through)) as subscription:
            async for batch in subscription.batches():
                self.seen += [stored.position for stored in batch.events]
                self.through = batch.through


class NaiveReader(Reader):
    """Reads what is above the last position it saw, as one would."""

    @override
    async def read(self, store: EventStore) -> None:
        while True:
            last = max(self.start, self.through)
            async for stored in store.read_all(after=last):
                self.seen.append(stored.position)
                self.through = stored.position
            await asyncio.sleep(0)


async def write(url: str, seed: int, quota: int) -> list[int]:
    """Append `quota` events in batches of every size, with pauses and rollbacks; give the positions."""
    rng = random.Random(seed)
    database = await Database.connect(url, size=2, deadline=60)
    store = EventStore(database)
    mine: list[int] = []
    while len(mine) < quota:
        size = rng.choice([1, 1, 1, 2, 5, 20, 60])
        stream = f"w{seed}-{rng.randrange(30)}"
        kind = rng.random()
        if kind < 0.5:
            mine += (await store.append(stream, new_events(size))).positions
        elif kind < 0.75:
            streams = [
                StreamAppend(f"s-{rng.randrange(50)}", new_events(1)) for _ in range(size)
            ]
            for result in await store.append_many(streams):
                mine += result.positions
        else:
            try:
                mine += await in_pieces(store, database, stream, size, rng)
            except RolledBack:
                continue
    await store.aclose()
    await database.close()
    return mine


async def in_pieces(
    store: EventStore, database: Database, stream: str, size: int, rng: random.Random
) -> list[int]:
    """Append in a transaction with pauses in it, which may come to nothing."""
    positions: list[int] = []
    async with database.transaction() as connection:
        for _ in range(rng.randrange(1, 4)):
            (result,) = await store.append_each(
                [StreamAppend(stream, new_events(size))], connection=connection
            )
            assert isinstance(result, Appended)
            positions += result.positions
            await asyncio.sleep(rng.random() * 0.02)
        if rng.random() < 0.4:
            raise RolledBack
    return positions


@asynccontextmanager
async def long_transactions(url: str, other_url: str) -> AsyncIterator[list[int]]:
    """One on the log itself, which commits at the end, and one in another database of the server."""
    database = await Database.connect(url, deadline=120)
    store = EventStore(database)
    other = await asyncpg.connect(other_url)
    await other.execute("CREATE TABLE busy (n int)")
    foreign = other.transaction()
    await foreign.start()
    await other.execute("INSERT INTO busy VALUES (1)")
    positions: list[int] = []
    try:
        async with database.transaction() as connection:
            (result,) = await store.append_each(
                [StreamAppend("long-1", new_events(5))], connection=connection
            )
            assert isinstance(result, Appended)
            positions += result.positions
            yield positions
    finally:
        await other.close()
        await database.close()


async def hammer(
    url: str, other_url: str, events: int, *, seed: int
) -> tuple[list[Reader], Reader, set[int]]:
    """Write `events` events while three readers and a naive one read; all that was committed is returned."""
    database = await Database.connect(url, size=8, deadline=60)
    store = EventStore(database)
    readers = [Reader(0), Reader(0), Reader(0)]
    naive = NaiveReader(0)
    tasks = [
        asyncio.create_task(readers[0].read(store)),
        asyncio.create_task(naive.read(store)),
    ]
    rounds = [
        asyncio.create_task(write(url, seed * 100 + number, events // WRITERS))
        for number in range(WRITERS)
    ]
    committed: set[int] = set()

    async def drawn(share: float) -> bool:
        return await store.head() >= events * share

    await eventually(lambda: drawn(0.2), within=600)
    tasks.append(asyncio.create_task(readers[1].read(store)))
    async with long_transactions(url, other_url) as held:
        await eventually(lambda: drawn(0.5), within=600)
        restarted = asyncio.create_task(readers[2].read(store))
        # The fence cannot pass the open transaction: readers stand still, and miss nothing.
        assert all(reader.through < held[0] for reader in readers)
    committed |= set(held)
    await eventually(lambda: readers[2].through > 0, within=600)
    restarted.cancel()
    await asyncio.wait([restarted])
    for written in await asyncio.gather(*rounds):
        committed |= set(written)
    tasks.append(asyncio.create_task(readers[2].read(store)))
    end = await store.settled()
    await eventually(lambda: all(reader.through >= end for reader in readers), within=600)
    await eventually(lambda: naive.through >= max(committed), within=600)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await database.close()
    return readers, naive, committed


async def check(stack_url: str, url: str, events: int, seed: int) -> None:
    await migrate(url)
    async with another_database(stack_url) as other_url:
        readers, naive, committed = await hammer(url, other_url, events, seed=seed)
    assert len(committed) >= events
    wanted = sorted(committed)
    for number, reader in enumerate(readers):
        missed = committed - set(reader.seen)
        assert reader.seen == wanted, (
            f"reader {number}, seed {seed}: missed {sorted(missed)[:10]}"
        )
    assert set(naive.seen) < committed, f"the naive reader missed nothing (seed {seed})"


@pytest.mark.timeout(110)
async def test_no_event_is_missed(stack: Addresses, database_url: str) -> None:
    await check(stack.database_url, database_url, 10_000, random.randrange(10**6))


@pytest.mark.torture
@pytest.mark.timeout(1800)
async def test_no_event_is_missed_in_many(stack: Addresses, database_url: str) -> None:
    await check(stack.database_url, database_url, 100_000, random.randrange(10**6))
