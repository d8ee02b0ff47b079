"""Deleting rows: only without a body, never a stream's last, and readers continue where they were."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.history.removal.pruner import Pruner
from bridge.history.removal.remover import Outcome
from bridge.history.removal.row_deleter import RowDeleter
from eventstore.database import Database
from eventstore.errors import CheckpointMismatch
from eventstore.events import NewEvent, Origin, StoredEvent
from eventstore.expected import Exact
from eventstore.filters import Filter
from eventstore.removals import Removal, Removals
from eventstore.store import EventStore
from tests.integration.eventstore.followers import following
from tests.integration.history.removal.conftest import all_events, event, fill, pruned
from tests.integration.history.removal.test_prune import OPEN_DISPATCH, OPEN_LETTER, OPEN_RUN
from tests.support.cli import ntbridge

REPEAT = """
    insert into deliveries (stream, stream_created, sequence, topic, verdict, uid)
    values ('EVENTS', now(), 1, 't', 'repeat', $1)
"""


async def deleted(
    database: Database, store: EventStore, before: datetime | None = None
) -> tuple[Removal, Outcome]:
    bound = await Pruner(database, store).bound()
    return await RowDeleter(database, store).delete(
        bound, before or datetime.now(UTC) + timedelta(hours=1), who="a test", why="it is old"
    )


async def left_of(store: EventStore) -> list[tuple[str, int]]:
    return [(each.stream, each.version) for each in await all_events(store)]


async def test_rows_go_but_for_the_last_of_each_stream_and_versions_count_on(
    database: Database, store: EventStore, folder: str
) -> None:
    before = await fill(store, 45)
    await pruned(database, store, folder)
    removal, outcome = await deleted(database, store)
    assert (removal.kind, outcome.removed) == ("deleted", 40)
    assert await left_of(store) == [(f"order-{n}", 10) for n in range(4)] + [("order-4", 5)]
    [noted, _] = await Removals(database).latest(10)
    assert (noted.kind, noted.who, noted.events) == ("deleted", "a test", 40)
    assert noted.remarks == ("5 kept, for the place of a stream: it is its last event",)
    gone = {e.position for e in before} - {e.position for e in await all_events(store)}
    everything = [e.position for e in before]
    assert await Removals(database).deleted_among([*everything, 10**9]) == gone
    # Appends and expectations go on from the last version.
    result = await store.append("order-0", [NewEvent(event=event("new"))], expected=Exact(10))
    assert result.last_version == 11
    # Another run finds what has a later event in its stream by now.
    await Removals(database).finish(removal)
    _, again = await deleted(database, store)
    assert again.removed == 0


async def test_a_reader_that_stopped_at_a_deleted_row_continues(
    database: Database, store: EventStore, folder: str
) -> None:
    events = await fill(store, 30)
    await pruned(database, store, folder)
    await deleted(database, store)
    left = [e.position for e in await all_events(store)]
    stream = Filter(stream="order-1")
    for stopped in (events[0], events[4], events[12]):
        after = [position for position in left if position > stopped.position]
        async with (
            following(store, after=stopped.position, uid=stopped.uid) as everything,
            following(store, after=stopped.position, uid=stopped.uid, where=stream) as one,
        ):
            end = await store.settled()
            assert await everything.reaches(end) == after
            last_of_stream = [p for p in after if p == events[19].position]
            assert await one.reaches(end) == last_of_stream
    # One whose event is there and is another is refused as before.
    last = events[9]
    with pytest.raises(CheckpointMismatch, match="is not that of the event"):
        async with store.subscribe(after=last.position, uid=events[0].uid) as reader:
            await anext(reader.batches())


@pytest.mark.parametrize("statement", [OPEN_DISPATCH, OPEN_LETTER, OPEN_RUN, REPEAT])
async def test_what_something_refers_to_keeps_its_row(
    database: Database, store: EventStore, folder: str, statement: str
) -> None:
    events = await fill(store, 10)
    await pruned(database, store, folder)
    await database.execute(statement, events[3].uid)
    if statement == OPEN_DISPATCH:  # a settled one is enough
        await database.execute("update dispatches set state = 'done', settled_at = now()")
    _, outcome = await deleted(
        database, store, events[-1].recorded_at + timedelta(microseconds=1)
    )
    assert outcome.removed == 8
    assert await left_of(store) == [("order-0", 4), ("order-0", 10)]


async def test_rows_with_data_young_ones_and_those_of_an_unfinished_removal_stay(
    database: Database, store: EventStore, folder: str
) -> None:
    events = await fill(store, 20)
    _, outcome = await deleted(database, store)
    assert outcome.removed == 0
    await pruned(database, store, folder)
    _, outcome = await deleted(database, store, events[5].recorded_at)
    assert outcome.removed <= 5
    await store.append("order-9", [NewEvent(event=event("a")), NewEvent(event=event("b"))])
    begun = await Removals(database).begin(
        "erased", {}, who="x", why="y", after=0, through=10**6
    )
    first = (await all_events(store))[-2]
    digests = await Removals(database).digests([first.position])
    await database.fetchrow(
        "select * from remove_bodies($1, $2, $3, null, '{}', 60)",
        *(begun.id, list(digests), list(digests.values())),
    )
    _, outcome = await deleted(database, store)
    assert (first.stream, first.version) in await left_of(store)


async def test_a_repeat_of_an_event_without_row_is_a_new_event(
    database: Database, store: EventStore, folder: str
) -> None:
    """This is what the horizon is for."""
    stored: StoredEvent = (await fill(store, 10))[0]
    await pruned(database, store, folder)
    await deleted(database, store)
    again = NewEvent(event=stored.event, origin=Origin.RECEIVED)
    result = await store.append(stored.stream, [again])
    assert (result.duplicate, result.last_version) == (False, 11)


async def test_who_asks_for_an_event_without_row_learns_that_rows_were_deleted(
    database: Database,
    store: EventStore,
    folder: str,
    migrated_database_url: str,
    tmp_path: Path,
) -> None:
    await fill(store, 3)
    settings = {"DATABASE_URL": migrated_database_url}
    never = await ntbridge("explain", "event-0", cwd=tmp_path, env=settings)
    assert never.code == 1
    assert "was recorded, nor one of such" in never.err
    assert "deleted" not in never.err
    first = (await all_events(store))[0]
    await pruned(database, store, folder)
    before = datetime.now(UTC) + timedelta(hours=1)
    await deleted(database, store, before)
    asked = await ntbridge("explain", first.event.id, cwd=tmp_path, env=settings)
    assert asked.code == 1
    assert f"recorded before {before:%Y-%m-%d %H:%M:%S}Z were deleted" in asked.err
    assert "ntbridge store removals" in asked.err
    traced = await ntbridge("trace", first.event.id, "-o", "json", cwd=tmp_path, env=settings)
    answer = json.loads(traced.out)
    assert answer["event"] is None
    assert datetime.fromisoformat(answer["deleted_before"]) == before
