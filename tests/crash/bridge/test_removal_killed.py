"""`ntbridge store prune`, killed at each of its steps and run again: archive and log add up."""

import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from bridge.history.removal.archive import Bodies
from bridge.lifecycle.crash_points import POINTS, VARIABLE
from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin, StoredEvent
from eventstore.prepared import StreamAppend
from eventstore.removals import Removals
from eventstore.store import EventStore
from tests.support.cli import ntbridge

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COUNT = 12
SIZE = 2 * 2**20
"""Of the data of one event: a part has eight."""
STEPS = [point for point in POINTS if point.startswith("removal.")]


async def fill(store: EventStore) -> list[StoredEvent]:
    events = [
        NewEvent(
            event=Event(
                id=str(number),
                source="/shop",
                type="ordered.v1",
                data=b'"%d %s"' % (number, b"x" * SIZE),
            ),
            origin=Origin.RECEIVED,
        )
        for number in range(COUNT)
    ]
    for new in events:
        await store.append_many([StreamAppend(f"order-{new.event.id}", [new])])
    return [each async for each in store.read_all()]


async def test_killed_at_each_step_it_continues(
    migrated_database_url: str, tmp_path: Path
) -> None:
    archive = (tmp_path / "archive").as_uri()
    database = await Database.connect(migrated_database_url)
    store = EventStore(database)
    before = await fill(store)

    async def prune(point: str | None) -> int:
        done = await ntbridge(
            "store",
            "prune",
            *("--older-than", "0s", "--archive", archive, "--why", "a test", "--yes"),
            cwd=tmp_path,
            env={
                "NTBRIDGE_DATABASE__URL": migrated_database_url,
                **({} if point is None else {VARIABLE: point}),
            },
        )
        assert done.code in {0, -signal.SIGKILL}, done.err
        return done.code

    for step in STEPS:
        assert await prune(step) == -signal.SIGKILL
        # A body is in the log or in the archive, at any moment.
        now = [each async for each in store.read_all()]
        assert await Bodies(database).restored(now) == before
    assert await prune(None) == 0
    after = [each async for each in store.read_all()]
    assert all(each.removal is not None and each.event.data is None for each in after)
    assert [each.event for each in after] == [replace(each.event, data=None) for each in before]
    assert await Bodies(database).restored(after) == before
    removals = await Removals(database).latest(100)
    assert all(each.finished_at is not None for each in removals)
    assert sum(each.events for each in removals) == COUNT
    # What a killed run left is gone: only what is listed is in the folders.
    listed = await database.fetchval("select count(*) from archive_parts")
    found = list((tmp_path / "archive").rglob("*.zst"))
    assert len(found) == listed
    await database.close()
