"""A store of the test's own, and what removes from it."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bridge.history.removal.policy import PruneRule
from bridge.history.removal.pruner import Pruned, Pruner
from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin, StoredEvent
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore

EVERYTHING = PruneRule(older_than=0.0)
DATA = json.dumps({"name": "é", "text": "x" * 200}).encode()


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    opened = await Database.connect(migrated_database_url)
    yield opened
    await opened.close()


@pytest.fixture
def store(database: Database) -> EventStore:
    return EventStore(database)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """The URL of an archive."""
    return (tmp_path / "archive").as_uri()


def event(name: str, data: bytes | None = DATA) -> Event:
    return Event(id=name, source="/shop", type="io.example.shop.ordered.v1", data=data)


async def fill(
    store: EventStore, count: int, *, stream: str = "order", subject: str | None = None
) -> list[StoredEvent]:
    """Append so many received events, ten to a stream."""
    events = [
        NewEvent(
            event=Event(
                id=f"{stream}-{number}",
                source="/shop",
                type="io.example.shop.ordered.v1",
                subject=subject,
                data=DATA,
            ),
            origin=Origin.RECEIVED,
            topic="events.shop.ordered",
        )
        for number in range(count)
    ]
    appends = [
        StreamAppend(f"{stream}-{start // 10}", events[start : start + 10])
        for start in range(0, count, 10)
    ]
    for start in range(0, len(appends), 100):
        await store.append_many(appends[start : start + 100])
    found = await store.get_many([new.event.uid for new in events])
    return sorted(found.values(), key=lambda stored: stored.position)


async def pruned(
    database: Database,
    store: EventStore,
    archive: str | None,
    rule: PruneRule = EVERYTHING,
) -> Pruned:
    pruner = Pruner(database, store)
    bound = await pruner.bound()
    return await pruner.prune(rule, bound, archive=archive, who="a test", why="it is old")


async def all_events(store: EventStore) -> Sequence[StoredEvent]:
    through = await store.settled()
    return [each async for each in store.read_all(through=through)]
