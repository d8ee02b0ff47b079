"""A history with tombstones and deleted rows, exported and imported: moved whole, or copied without its archive."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bridge.devstack.addresses import Addresses
from bridge.history import archive
from bridge.history.archive_file import ArchiveRefused, read
from bridge.history.removal.archive import Bodies
from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from eventstore.database import Database
from eventstore.removals import Removals
from eventstore.store import EventStore
from tests.integration.history.removal.conftest import all_events, fill, pruned
from tests.integration.history.removal.test_rows import deleted
from tests.support import databases

pytestmark = pytest.mark.slow

TABLES = ("events", "removals", "deleted_events", "archive_parts")


@pytest.fixture
async def other(stack: Addresses, migrated_template: str) -> AsyncIterator[Database]:
    """Another, empty store."""
    async with databases.database(stack.database_url, template=migrated_template) as url:
        opened = await Database.connect(url)
        yield opened
        await opened.close()


async def rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    found = await database.fetch(f"select * from {table} order by 1, 2")
    return [tuple(row) for row in found]


async def erased(database: Database, position: int) -> None:
    """Take everything of an event that may go, its id and source too."""
    removals = Removals(database)
    removal = await removals.begin("erased", {}, who="x", why="y", after=0, through=position)
    digests = await removals.digests([position])
    await database.fetchrow(
        "select * from remove_bodies($1, $2, $3, '{}', '{}', 60)",
        *(removal.id, list(digests), list(digests.values())),
    )
    await removals.finish(removal)


async def imported(database: Database, path: Path, *, moved: bool) -> None:
    await archive.import_history(
        database,
        path,
        read(path),
        keep_incarnation=moved,
        relayed=RELAY_CHECKPOINT,
        advanced=lambda _: None,
    )


async def test_removals_and_deleted_rows_come_along(
    database: Database, store: EventStore, other: Database, folder: str, tmp_path: Path
) -> None:
    before = await fill(store, 40, subject="ada@example.com")
    await pruned(database, store, folder)
    await deleted(database, store)
    await erased(database, before[9].position)
    whole = await fill(store, 5, stream="invoice")
    path = tmp_path / "history"
    done = await archive.export(store, path, resume=False, advanced=lambda _: None)
    assert done.events == 9
    await imported(other, path, moved=True)
    for table in TABLES[1:]:
        assert await rows(other, table) == await rows(database, table)
    moved = EventStore(other)
    events = await all_events(moved)
    assert events == await all_events(store)
    assert events[-5:] == whole
    # What the archive has is read back; a reader that stopped at a deleted row continues.
    restored = [each for each in await Bodies(other).restored(events) if each.removal is None]
    assert restored == [before[19], before[29], before[39], *whole]
    batches = moved.subscribe(after=before[0].position, uid=before[0].uid).batches()
    assert [each.position for each in (await anext(batches)).events] == [
        each.position for each in events
    ]
    await batches.aclose()
    again = await archive.export(
        moved, tmp_path / "again", resume=False, advanced=lambda _: None
    )
    assert again.rows_sha256 == done.rows_sha256
    # Removals go on in the new store.
    assert (await pruned(other, moved, folder)).removal.id > (await pruned_ids(database))[-1]


async def pruned_ids(database: Database) -> list[int]:
    return sorted(each.id for each in await Removals(database).latest(100))


async def test_a_copy_has_no_part_in_the_archive_of_the_original(
    database: Database, store: EventStore, other: Database, folder: str, tmp_path: Path
) -> None:
    await fill(store, 10)
    await pruned(database, store, folder)
    begun = await Removals(database).begin("erased", {}, who="x", why="y", after=0, through=1)
    path = tmp_path / "history"
    await archive.export(store, path, resume=False, advanced=lambda _: None)
    await imported(other, path, moved=False)
    [erasure, prune] = await Removals(other).latest(10)
    [_, original] = await Removals(database).latest(10)
    note = f"the store that this is a copy of has the archive: {folder}"
    assert prune == replace(original, archive=None, remarks=(note,))
    assert (erasure.id, erasure.finished_at is None) == (begun.id, False)
    assert await rows(other, "archive_parts") == []
    assert len(await rows(other, "events")) == 10


async def test_while_a_removal_goes_on_nothing_is_exported(
    database: Database, store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file would have data that the removal, as the file has it, had taken."""
    events = await fill(store, 10)
    removals = Removals(database)
    removal = await removals.begin("erased", {}, who="x", why="y", after=0, through=10**6)
    exported = store.export

    async def and_meanwhile(*args: Any, **more: Any) -> int:
        count = await exported(*args, **more)
        await removals.advance(removal, events[-1].position, 10)
        return count

    monkeypatch.setattr(store, "export", and_meanwhile)
    path = tmp_path / "history"
    with pytest.raises(ArchiveRefused, match="a removal took data while"):
        await archive.export(store, path, resume=False, advanced=lambda _: None)
    assert read(path).tail is None
