"""A batch that is recorded as one statement becomes the same rows as one recorded in a transaction."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from bridge.intake import single_statement
from bridge.intake.decision import Accepted, Judged, PassedOver, SetAside, judge
from bridge.intake.recorded import Recorded
from bridge.intake.recorder import Recorder
from bridge.routes.table import RouteTable
from eventstore.database import Database
from eventstore.errors import Deposed
from eventstore.events import NewEvent, Origin
from eventstore.leases import Lease, Leases
from eventstore.store import EventStore
from tests.support.daemon_parts import delivery, route
from tests.support.databases import database as new_database
from tests.support.statements import PLANNINGS, rows_read
from tests.support.statements import recorded as recorded_statements

ROUTES = RouteTable(
    [
        route("plain", when="data.number % 2 == 0"),
        route("one", concurrency={"key": "data.key", "when_full": "skip"}),
        route(
            "calm",
            batch={"key": "data.key", "size": 3, "for": "1h"},
            when="data.number % 5 == 0",
        ),
    ]
)
KEYS = "abc"
CONSUMER = "shop"
ROWS = {
    "events": "select stream, version, uid, emitted, type, correlation_id, digest, envelope::text, data"
    " from events order by position",
    "dispatches": "select uid, route, generation, key, target, request_id, call, state, error, flow, slot_key, attempts"
    " from dispatches order by position, id",
    "deliveries": "select stream, sequence, topic, verdict, uid from deliveries order by sequence",
    "source_progress": "select stream, consumer, sequence, arrived_ns from source_progress",
    "windows": "select route, key, kind, events, bytes from windows order by route, key",
    "slots": "select namespace, route, slot_key from slots order by slot_key",
    "event_sources": "select source from event_sources order by source",
    "dead_letters": "select stage, code, reason, uid from dead_letters order by id",
}


GROW = """
insert into events (stream, version, uid, emitted, type, digest, envelope)
select 'more-' || n, 1, gen_random_uuid(), false, 'io.example.more.v1', sha256(''), '{}'
from generate_series(1, $1::int) n
"""


class InTransaction(Recorder):
    """Records in a transaction, always."""

    @override
    async def record(
        self, batch: Sequence[Judged], lease: Lease, consumer: str, *, fresh: bool = True
    ) -> Recorded:
        async with self._database.transaction() as connection:
            await lease.assert_held(connection)
            return await self.record_on(connection, batch, consumer=consumer, fresh=fresh)


class CountedTransactions(Database):
    """Counts the transactions that were opened."""

    transactions = 0

    @override
    def transaction(self) -> Any:
        self.transactions += 1
        return super().transaction()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[CountedTransactions]:
    database = await CountedTransactions.connect(url, size=2)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def two(
    url: str, template: str
) -> AsyncIterator[tuple[CountedTransactions, CountedTransactions]]:
    """The test's database, and another that is like it."""
    async with (
        new_database(url, template=template) as other_url,
        opened(url) as one,
        opened(other_url) as other,
    ):
        yield one, other


def happened(key: str, number: int, sequence: int) -> Judged:
    return judge(ROUTES, delivery(key, number, sequence), 16)


async def lease_of(database: Database) -> Lease:
    lease = await Leases(database).acquire("source/shop", "me", 60)
    assert lease is not None
    return lease


async def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: [tuple(row.values()) for row in await database.fetch(query)]
        for table, query in ROWS.items()
    }


def shown(recorded: Recorded) -> Any:
    """What a recording returned, without the times and numbers that differ between databases."""
    fresh = [
        (
            each.dispatch.uid,
            each.dispatch.route,
            each.dispatch.position,
            each.dispatch.call,
            each.event.version,
            each.event.stream,
            each.event.position,
            each.event.event,
            each.event.correlation_id,
        )
        for each in recorded.fresh
    ]
    return list(recorded.verdicts), recorded.planned, recorded.letters, fresh


def batches(random: Random) -> list[list[Judged]]:
    """New events, repeats of earlier ones, and messages of the server."""
    sequence = 0
    known: list[tuple[str, int]] = []
    made = []
    for _ in range(4):
        batch: list[Judged] = []
        for _ in range(random.randint(1, 12)):
            sequence += 1
            if known and random.random() < 0.2:
                batch.append(happened(*random.choice(known), sequence))
            elif random.random() < 0.1:
                batch.append(PassedOver(delivery("a", 0, sequence), "a delete marker"))
            else:
                batch.append(happened(random.choice(KEYS), sequence, sequence))
        made.append(batch)
        known += [
            (each.event.id[0], int(each.event.id[2:]))
            for each in batch
            if isinstance(each, Accepted)
        ]
    return made


@pytest.mark.parametrize("seed", range(6))
async def test_the_rows_and_the_answer_are_those_of_a_transaction(
    migrated_database_url: str, migrated_template: str, seed: int
) -> None:
    async with two(migrated_database_url, migrated_template) as (one, other):
        stores = EventStore(one), EventStore(other)
        single, transaction = Recorder(one, stores[0]), InTransaction(other, stores[1])
        leases = await lease_of(one), await lease_of(other)
        for batch in batches(Random(seed)):
            answers = (
                await single.record(batch, leases[0], CONSUMER),
                await transaction.record(batch, leases[1], CONSUMER),
            )
            assert shown(answers[0]) == shown(answers[1])
            assert await rows(one) == await rows(other)
            # Again, as after a commit whose answer was lost.
            again = await single.record(batch, leases[0], CONSUMER)
            assert set(again.verdicts) <= {"repeat", "passed-over"}
            assert not again.fresh
            assert await rows(one) == await rows(other)
        for store in stores:
            await store.aclose()


async def test_new_events_and_repeats_open_no_transaction(migrated_database_url: str) -> None:
    async with opened(migrated_database_url) as database:
        store = EventStore(database)
        recorder, lease = Recorder(database, store), await lease_of(database)
        batch = [happened("a", 1, 1), happened("b", 2, 2)]
        assert (await recorder.record(batch, lease, CONSUMER)).verdicts == [
            "matched",
            "matched",
        ]
        assert (await recorder.record(batch, lease, CONSUMER)).verdicts == ["repeat", "repeat"]
        mixed = [happened("a", 1, 3), happened("a", 4, 4)]
        assert (await recorder.record(mixed, lease, CONSUMER)).verdicts == ["repeat", "matched"]
        assert database.transactions == 0
        await store.aclose()


class Announcements(EventStore):
    """Keeps how long each announcement may wait."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.within: list[float] = []

    @override
    def announce(self, *, within: float = 0.0) -> None:
        self.within.append(within)


@pytest.mark.parametrize("transactions", [0, 2])
async def test_readers_hear_at_once_of_events_unless_calls_come_first(
    migrated_database_url: str, transactions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_statement, "suffices", lambda _batch: not transactions)
    async with opened(migrated_database_url) as database:
        store = Announcements(database)
        recorder, lease = Recorder(database, store), await lease_of(database)
        await recorder.record([happened("a", 1, 1)], lease, CONSUMER)
        unmatched = judge(RouteTable([]), delivery("a", 2, 2), 16)
        await recorder.record([unmatched], lease, CONSUMER)
        assert database.transactions == transactions
        matched, nobody_waits = store.within
        assert 0 < matched < 0.02
        assert nobody_waits == 0


def changed(sequence: int) -> Judged:
    """The first event, with other data."""
    judged = happened("a", 1, sequence)
    assert isinstance(judged, Accepted)
    data = json.dumps({"key": "a", "number": 1, "changed": True}).encode()
    return replace(judged, event=msgspec.structs.replace(judged.event, data=data), digest=None)


@pytest.mark.parametrize("case", ["conflict", "twice", "set-aside", "emitted"])
async def test_what_remains_to_be_decided_is_decided_in_a_transaction(
    migrated_database_url: str, case: str
) -> None:
    async with opened(migrated_database_url) as database:
        store = EventStore(database)
        recorder, lease = Recorder(database, store), await lease_of(database)
        first, new = happened("a", 1, 1), happened("b", 2, 3)
        assert isinstance(first, Accepted)
        if case == "emitted":
            await store.append("run-1", [NewEvent(event=first.event, origin=Origin.EMITTED)])
        else:
            await recorder.record([first], lease, CONSUMER)
        second: dict[str, tuple[Judged, list[str]]] = {
            "conflict": (changed(2), ["conflict", "matched"]),
            "twice": (happened("b", 2, 2), ["matched", "repeat"]),
            "set-aside": (
                SetAside(first.delivery, "schema", "wrong"),
                ["set-aside", "matched"],
            ),
            "emitted": (replace(first, delivery=delivery("a", 1, 2)), ["matched", "matched"]),
        }
        judged, verdicts = second[case]
        recorded = await recorder.record([judged, new], lease, CONSUMER)
        assert list(recorded.verdicts) == verdicts
        assert database.transactions == 1
        assert len((await rows(database))["events"]) == 2
        await store.aclose()


async def test_a_deposed_leader_records_nothing(migrated_database_url: str) -> None:
    async with opened(migrated_database_url) as database:
        store = EventStore(database)
        lease = await lease_of(database)
        await Leases(database).depose("source/shop", "another", 60)
        with pytest.raises(Deposed):
            await Recorder(database, store).record([happened("a", 1, 1)], lease, CONSUMER)
        assert all(not found for found in (await rows(database)).values())
        await store.aclose()


async def test_recording_reads_no_more_when_the_log_has_grown_since_it_was_planned(
    migrated_database_url: str,
) -> None:
    async with opened(migrated_database_url) as database:
        await database.execute("alter table events set (autovacuum_enabled = false)")
        lease, recorder = await lease_of(database), Recorder(database, EventStore(database))
        with recorded_statements() as statements:
            await recorder.record([happened("a", 0, 1)], lease, CONSUMER)
        ((sql, arguments),) = [each for each in statements if "record_received" in each[0]]
        reads = []
        async with database.transaction() as connection:
            for grown in (0, 5000):
                await database.execute(GROW, grown)
                for _ in range(PLANNINGS):
                    before = await rows_read(connection, "events")
                    await connection.fetch(sql, *arguments)
                    reads.append(await rows_read(connection, "events") - before)
    assert max(reads) < 50, reads
