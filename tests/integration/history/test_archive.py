"""A whole history out to a file and into another store: the same, or nothing."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bridge.devstack.addresses import Addresses
from bridge.history import archive
from bridge.history.archive_file import Archive, ArchiveRefused, Tail, line_of, read
from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from eventstore.database import Database
from eventstore.errors import ImportRefused, StatementFailed
from eventstore.events import NewEvent, Origin
from eventstore.filters import Filter
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints
from eventstore.validity import event_problem
from tests.support import databases, history
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge
from tests.support.history import Interrupted

pytestmark = pytest.mark.slow

COUNT = 350
STEP = 100

EARLY = Path(__file__).parent / "archives" / "early.ntbridge"
"""Written by the release whose events table had a column for each attribute."""

WHOLE = "select * from events order by position"


@pytest.fixture
async def other(stack: Addresses, migrated_template: str) -> AsyncIterator[Database]:
    """Another, empty store."""
    async with databases.database(stack.database_url, template=migrated_template) as url:
        opened = await Database.connect(url)
        yield opened
        await opened.close()


async def fill(store: EventStore) -> None:
    await history.fill(store, COUNT)
    odd = history.happened(
        0,
        id="\\odd\\té\u2028",
        datacontenttype="application/octet-stream",
        data=bytes(range(256)),
        extensions={"hops": 2, "flag": True, "text": "a\\nb", "traceparent": "00-a-b-01"},
    )
    none = history.happened(0, id="none", data=None, subject='"quoted" \\.')
    news = [NewEvent(event=odd, origin=Origin.RECEIVED), NewEvent(event=none)]
    await store.append("odd-stream", news)


async def exported(store: EventStore, path: Path, *, resume: bool = False) -> Archive:
    return await archive.export(store, path, resume=resume, advanced=lambda _: None, step=STEP)


async def brought_in(database: Database, path: Path, *, keep: bool = False) -> None:
    await archive.import_history(
        database,
        path,
        read(path),
        keep_incarnation=keep,
        relayed=RELAY_CHECKPOINT,
        advanced=lambda _: None,
    )


async def whole(database: Database) -> list[Any]:
    return [tuple(row) for row in await database.fetch(WHOLE)]


async def test_interrupted_and_torn_it_is_the_same_history_in_another_store(
    database: Database,
    store: EventStore,
    other: Database,
    tmp_path: Path,
) -> None:
    await fill(store)
    path = tmp_path / "history.export"
    left = 2

    def advanced(_: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Interrupted

    with pytest.raises(Interrupted):
        await archive.export(store, path, resume=False, advanced=advanced, step=STEP)
    tear(path)
    whole_part = path.read_bytes()
    damage(path, b"/shop", b"/shoq")
    with pytest.raises(ArchiveRefused, match="cannot be continued"):
        await exported(store, path, resume=True)
    path.write_bytes(whole_part)
    with pytest.raises(ArchiveRefused, match="unfinished"):
        read(path).check()
    with pytest.raises(ArchiveRefused, match="already exists"):
        await exported(store, path)
    await history.fill(store, 5, first=COUNT + 1)  # too late to belong to it
    done = await exported(store, path, resume=True)
    assert done.check().events == done.events == COUNT + 2
    assert await exported(store, path, resume=True) == done

    await brought_in(other, path)
    assert await whole(other) == (await whole(database))[: COUNT + 2]
    copy = EventStore(other)
    assert await copy.incarnation() != await store.incarnation()
    assert await Checkpoints(other).load(RELAY_CHECKPOINT) == done.head.through
    [new] = await history.fill(copy, 1, first=10_000)
    assert new.position == done.head.through + 1
    with pytest.raises(ImportRefused, match="not empty"):
        await brought_in(other, path)


async def test_a_store_that_is_moved_stays_the_same_one(
    store: EventStore, other: Database, tmp_path: Path
) -> None:
    await history.fill(store, 20)
    await exported(store, tmp_path / "moved")
    await brought_in(other, tmp_path / "moved", keep=True)
    assert await EventStore(other).incarnation() == await store.incarnation()


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"/shop", b"/shoq"), (b'"events":20', b'"events":21'), (b'"sha256":"', b'"sha256":"0')],
)
async def test_what_was_changed_is_refused_and_nothing_is_written(
    store: EventStore, other: Database, tmp_path: Path, old: bytes, new: bytes
) -> None:
    await history.fill(store, 20)
    path = tmp_path / "damaged"
    await exported(store, path)
    damage(path, old, new)
    with pytest.raises(ArchiveRefused, match="changed or damaged"):
        await brought_in(other, path)
    assert await whole(other) == []


async def test_what_is_no_row_of_the_store_is_refused_as_a_whole(
    store: EventStore, other: Database, tmp_path: Path
) -> None:
    """Also by one who has made count and digest fit."""
    await history.fill(store, 20)
    path = tmp_path / "forged"
    await exported(store, path)
    damage(path, b"emitted", b"forgedd")
    forged = read(path)
    fitting = replace(forged, tail=Tail(events=forged.events, sha256=forged.sha256))
    with pytest.raises(StatementFailed):
        await archive.import_history(
            other,
            path,
            fitting,
            keep_incarnation=False,
            relayed=RELAY_CHECKPOINT,
            advanced=lambda _: None,
        )
    assert await whole(other) == []


async def test_an_archive_of_an_early_release_is_read_back_equal(
    other: Database, tmp_path: Path
) -> None:
    early = read(EARLY)
    await brought_in(other, EARLY)
    store = EventStore(other)
    again = await exported(store, tmp_path / "again")
    assert again.events == early.events
    assert history.early_digest(tmp_path / "again", again) == early.rows_sha256
    digests = {row["uid"]: row["digest"] for row in await other.fetch(WHOLE)}
    events = [stored async for stored in store.read_all()]
    assert len(events) == early.events > 30
    for stored in events:
        assert event_problem(stored.event) is None
        assert (stored.event.uid, stored.event.digest) == (stored.uid, digests[stored.uid])
        where = Filter(correlation_id=stored.correlation_id)
        chain = [each.position async for each in store.read_all(where=where)]
        assert stored.position in chain, "its source is listed"
    assert sum(stored.correlation_uid != stored.uid for stored in events) == 2


def damage(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def tear(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"9999\ttorn")


async def test_the_commands(
    bridge: Bridge, store: EventStore, other: Database, tmp_path: Path
) -> None:
    await history.fill(store, 30)
    file, env = str(tmp_path / "history"), bridge.environment
    done = await ntbridge("events", "export", file, cwd=tmp_path, env=env)
    assert done.code == 0, done.err
    refused, tried, imported = [
        await ntbridge("events", "import", file, *flags, cwd=tmp_path, env=env)
        for flags in ((), ("--dry-run",), ("--database-url", other.dsn))
    ]
    assert (refused.code, "not empty" in refused.err) == (1, True), refused.err
    assert (tried.code, "30 events" in tried.err) == (0, True), tried.err
    assert (imported.code, "(new)" in imported.err) == (0, True), imported.err
    assert len(await whole(other)) == 30


async def test_a_damaged_file_is_one_sentence_of_the_command(
    bridge: Bridge, store: EventStore, other: Database, tmp_path: Path
) -> None:
    await history.fill(store, 3)
    path = tmp_path / "history"
    await exported(store, path)
    good = path.read_bytes()
    head, *rows, _ = good.splitlines(keepends=True)
    forged = head + b"".join(rows).replace(b"emitted", b"forgedd")
    seal = line_of(Tail(events=3, sha256=hashlib.sha256(forged).hexdigest()))
    for content in (
        good[:-9],
        good + b"x",
        good.replace(b"shop", b"shoq", 1),
        b"\0",
        forged + seal,
    ):
        path.write_bytes(content)
        flags = ("--database-url", other.dsn) if content.endswith(seal) else ("--dry-run",)
        refused = await ntbridge(
            "events", "import", str(path), *flags, cwd=tmp_path, env=bridge.environment
        )
        assert refused.code == 1, refused.err
        assert "Traceback" not in refused.err
        assert len(refused.err.strip().splitlines()) <= 2, refused.err
