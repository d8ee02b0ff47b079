"""Pruning: bodies go to an archive, rows stay, and what is needed keeps its body."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace

from bridge.history.removal.archive import Bodies
from bridge.history.removal.policy import PruneRule
from bridge.history.removal.pruner import Pruner
from bridge.history.removal.remover import RemovalRefused
from eventstore.database import Database
from eventstore.errors import Conflict
from eventstore.events import NewEvent, Origin, StoredEvent
from eventstore.removals import Removals
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints
from tests.integration.history.removal.conftest import all_events, event, fill, pruned

OPEN_DISPATCH = """
    insert into dispatches (uid, position, route, route_digest, operation, key, target, request_id, call, partition)
    values ($1, 1, 'r', '', 'start', 'k', 't', gen_random_uuid(), '{}', 0)
"""
OPEN_LETTER = (
    "insert into dead_letters (stage, code, reason, uid) values ('intake', 'conflict', 'x', $1)"
)
OPEN_RUN = (
    "insert into runs (run_id, workflow_id, latest, uid, route) values ('1', 'w', '1', $1, 'r')"
)


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def archive(request: pytest.FixtureRequest, folder: str) -> Iterator[str]:
    if request.param == "folder":
        yield folder
        return
    pytest.importorskip("moto", reason="moto, a server that speaks S3, is not installed")
    from tests.support.own_s3 import led_to_s3  # noqa: PLC0415 - it needs moto

    with led_to_s3() as url:
        yield url


async def test_the_archive_equals_what_was_removed_and_rows_stay(
    database: Database, store: EventStore, archive: str
) -> None:
    before = await fill(store, 250)
    done = await pruned(database, store, archive)
    assert done.outcome.removed == 250
    after = await all_events(store)
    assert [(e.position, e.uid, e.stream, e.version, e.recorded_at) for e in after] == [
        (e.position, e.uid, e.stream, e.version, e.recorded_at) for e in before
    ]
    assert all(e.event.data is None and e.removal == done.removal.id for e in after)
    assert [replace(e.event, data=None) for e in before] == [e.event for e in after]
    # Read back, each by its digest, they are what was there.
    assert await Bodies(database).restored(after) == before
    [noted] = await Removals(database).latest(10)
    assert (noted.kind, noted.who, noted.why) == ("pruned", "a test", "it is old")
    assert (noted.events, noted.archive) == (250, archive)
    assert noted.finished_at is not None
    # Nothing is left for a second prune.
    again = await pruned(database, store, archive)
    assert again.outcome.removed == 0


async def test_a_repeat_of_a_pruned_event_is_recognised(
    database: Database, store: EventStore, folder: str
) -> None:
    stored = (await fill(store, 20))[-1]
    await pruned(database, store, folder)
    new = NewEvent(event=event("order-19"), origin=Origin.RECEIVED)
    result = await store.append(stored.stream, [new])
    assert result.duplicate
    assert await store.stream_version(stored.stream) == stored.version
    with pytest.raises(Conflict):
        await store.append(stored.stream, [NewEvent(event=event("order-19", b"1"))])
    # A stream goes on after its tombstones.
    await store.append(stored.stream, [NewEvent(event=event("later"))])
    assert await store.stream_version(stored.stream) == stored.version + 1


async def test_attributes_that_are_named_go_too(
    database: Database, store: EventStore, folder: str
) -> None:
    before = await fill(store, 10, subject="ada@example.com")
    rule = PruneRule(older_than=0.0, attributes=("subject",))
    await pruned(database, store, folder, rule)
    after = await all_events(store)
    assert {e.event.subject for e in after} == {None}
    assert await Bodies(database).restored(after) == before


@pytest.mark.parametrize("statement", [OPEN_DISPATCH, OPEN_LETTER, OPEN_RUN])
async def test_what_is_still_needed_keeps_its_body(
    database: Database, store: EventStore, folder: str, statement: str
) -> None:
    events = await fill(store, 30)
    await database.execute(statement, events[7].uid)
    done = await pruned(database, store, folder)
    assert done.outcome.removed == 29
    assert sum(done.outcome.in_use.values()) == 1
    assert [e.position for e in await all_events(store) if e.removal is None] == [
        events[7].position
    ]


async def test_nothing_above_a_checkpoint_or_an_open_replay_is_removed(
    database: Database, store: EventStore, folder: str
) -> None:
    events = await fill(store, 30)
    await Checkpoints(database).save("a reader", events[19].position)
    bound = await Pruner(database, store).bound()
    assert (bound.through, bound.use) == (events[19].position, "the checkpoint a reader")
    await database.execute(
        "insert into replays (id, selection, target, incarnation, through, total, position, who)"
        " select $1, '{}', '{}', id, $2, 1, $3, 'x' from store_incarnation",
        uuid4(),
        events[-1].position,
        events[9].position,
    )
    done = await pruned(database, store, folder)
    assert done.outcome.removed == 10
    assert [e.position for e in await all_events(store) if e.removal is not None] == [
        e.position for e in events[:10]
    ]


async def test_emitted_events_wait_for_a_relay_that_has_sent_nothing(
    database: Database, store: EventStore, folder: str
) -> None:
    await store.append("run-1", [NewEvent(event=event("a result"))])
    assert (await pruned(database, store, folder)).outcome.removed == 0
    await Checkpoints(database).save("relay", await store.head())
    assert (await pruned(database, store, folder)).outcome.removed == 1


async def test_rules_go_by_age_and_category(
    database: Database, store: EventStore, folder: str
) -> None:
    await fill(store, 10, stream="order")
    await fill(store, 10, stream="invoice")
    none = await pruned(database, store, folder, PruneRule(older_than=3600.0))
    assert none.outcome.removed == 0
    rule = PruneRule(older_than=0.0, category="invoice")
    assert (await pruned(database, store, folder, rule)).outcome.removed == 10
    rest = PruneRule(older_than=0.0, but=("invoice", "other"))
    assert (await pruned(database, store, folder, rest)).outcome.removed == 10
    assert not [e for e in await all_events(store) if e.removal is None]


async def test_an_interrupted_prune_continues_with_its_own_archive(
    database: Database, store: EventStore, folder: str
) -> None:
    events = await fill(store, 10)
    selection: dict[str, object] = {
        "category": None,
        "but": [],
        "attributes": [],
        "before": (events[-1].recorded_at + timedelta(seconds=1)).isoformat(),
    }
    begun = await Removals(database).begin(
        "pruned",
        selection,
        who="x",
        why="y",
        after=0,
        through=events[-1].position,
        archive=folder,
    )
    with pytest.raises(RemovalRefused, match=f"prune {begun.id} was interrupted"):
        await pruned(database, store, None)
    done = await pruned(database, store, folder)
    assert (done.removal.id, done.outcome.removed) == (begun.id, 10)


async def test_a_batch_ends_itself_and_the_rest_is_taken_by_the_next(
    database: Database, store: EventStore
) -> None:
    events: list[StoredEvent] = await fill(store, 500)
    begun = await Removals(database).begin(
        "pruned", {}, who="x", why="y", after=0, through=events[-1].position
    )
    digests = await Removals(database).digests([e.position for e in events])
    positions = list(digests)
    row = await database.fetchrow(
        "select * from remove_bodies($1, $2, $3, null, '{}', 0)",
        begun.id,
        positions,
        [digests[position] for position in positions],
    )
    assert row is not None
    # With no time at all, one row is taken.
    assert (row["looked"], row["removed"]) == (1, positions[:1])
