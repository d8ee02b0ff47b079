"""Partitions over daemons that come, go, freeze and are cut off; their writes are fenced."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from bridge.dispatch.ledger import Crowded, Ledger, Settlement
from bridge.dispatch.ownership import Ownership
from bridge.dispatch.partitions import PARTITIONS, partition_of
from bridge.operations.outcomes import Outcome
from eventstore.database import Database
from eventstore.errors import Deposed
from eventstore.leases import Lease
from eventstore.store import EventStore
from tests.support.daemon_parts import Parts, ScriptedTemporal, running
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

TAKEN_OVER_WITHIN = 8.0
"""Seconds: the time to live of a lease, and two looks."""


class Daemon(Ownership):
    """Only its ownership, with a count of what is in hand that the test sets."""

    def __init__(self, database: Database, owner: str) -> None:
        self.busy: dict[int, int] = {}
        super().__init__(database, owner)
        self.add(self)

    def in_hand(self, partition: int) -> int:
        return self.busy.get(partition, 0)

    def partitions_changed(self, gained: set[int], lost: set[int]) -> None:
        """Nothing is taken here."""


@asynccontextmanager
async def started(*daemons: Daemon) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for daemon in daemons:
            stack.push_async_callback(daemon.stop)
            await daemon.start()
        yield


async def shared_evenly(*daemons: Daemon) -> None:
    least = PARTITIONS // len(daemons)

    def look() -> bool:
        active = [each for daemon in daemons for each in daemon.active]
        assert sorted(active) == list(range(PARTITIONS))
        assert {daemon.held for daemon in daemons} <= {least, least + 1}
        return True

    await eventually(look, within=TAKEN_OVER_WITHIN, what="an even share for each")


async def test_two_and_then_three_share_the_partitions_evenly(database: Database) -> None:
    one, two, three = (Daemon(database, name) for name in ("one", "two", "three"))
    async with started(one):
        await shared_evenly(one)
        async with started(two):
            await shared_evenly(one, two)
            async with started(three):
                await shared_evenly(one, two, three)
            # One that stops gives back at once what it held.
            await shared_evenly(one, two)


async def test_what_is_in_hand_is_finished_before_it_is_given_away(database: Database) -> None:
    one, two = Daemon(database, "one"), Daemon(database, "two")
    async with started(one):
        await shared_evenly(one)
        one.busy[PARTITIONS - 1] = 1
        async with started(two):
            await eventually(lambda: two.held == PARTITIONS // 2 - 1, within=TAKEN_OVER_WITHIN)
            assert PARTITIONS - 1 not in [*one.active, *two.active]
            assert one.held == PARTITIONS // 2 + 1
            one.busy.clear()
            await shared_evenly(one, two)


async def test_what_a_dead_daemon_held_is_taken_over_within_seconds(database: Database) -> None:
    one, two = Daemon(database, "one"), Daemon(database, "two")
    async with started(one):
        async with Proxy.to(database.dsn) as proxy, cut_off(proxy, database) as elsewhere:
            dead = Daemon(elsewhere, "dead")
            async with started(dead):
                await shared_evenly(one, dead)
                await proxy.refuse()
                await shared_evenly(one)
        async with started(two):
            await shared_evenly(one, two)


@asynccontextmanager
async def cut_off(proxy: Proxy, database: Database) -> AsyncIterator[Database]:
    """The same database, by way of a proxy that can freeze what goes through it."""
    elsewhere = await Database.connect(proxy.through(database.dsn), deadline=3)
    try:
        yield elsewhere
    finally:
        await elsewhere.close()


def leases(daemon: Ownership, partitions: Iterable[int]) -> list[Lease]:
    return [daemon.active[number] for number in partitions]


async def test_a_frozen_daemon_finds_itself_deposed_and_writes_nothing(parts: Parts) -> None:
    database = parts.database
    await parts.plan(*((f"k{number}", number) for number in range(64)))
    frozen, other = Daemon(database, "frozen"), Daemon(database, "other")
    ledger = Ledger(database, EventStore(database), "frozen")
    async with started(frozen):
        taken = await ledger.take(range(PARTITIONS), [], Crowded((), ()), 64, 2**40)
        old = {number: leases(frozen, [number])[0] for number in range(PARTITIONS)}
        # Frozen: nothing of it runs any more, its leases run out.
        await freeze(frozen)
        async with started(other):
            await eventually(lambda: other.held == PARTITIONS, within=TAKEN_OVER_WITHIN)
            # Of one there is nothing left to write, which makes no difference.
            await database.execute(
                "update dispatches set state = 'done', settled_at = clock_timestamp()"
                " where id = $1",
                taken[0].id,
            )
            events = await ledger.events({each.uid for each in taken})
            for dispatch in taken:
                outcome = Outcome(state="done", run_id=f"run {dispatch.id}", closure="bare")
                settlement = Settlement(dispatch, outcome, events[dispatch.uid])
                lease = old[partition_of(dispatch.key)]
                with pytest.raises(Deposed):
                    await ledger.settle([settlement], [lease])
    assert await parts.states() == {"open": 63, "done": 1}
    assert await database.fetchval("select count(*) from runs") == 0, "no run is noted either"


async def freeze(daemon: Daemon) -> None:
    task = daemon._task  # noqa: SLF001 - what SIGSTOP would do to it
    assert task is not None
    daemon._release_all = lambda: asyncio.sleep(0)  # type: ignore[method-assign] # noqa: SLF001
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_one_lost_partition_does_not_spoil_the_settlements_of_the_others(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    keys = [f"k{number}" for number in range(40)]
    robbed = partition_of(keys[0])
    temporal.held = {key: asyncio.Event() for key in keys}
    await parts.plan(*((key, 1) for key in keys))
    dispatcher = parts.dispatcher(in_flight=100)
    async with running(dispatcher):
        await eventually(lambda: len(temporal.arrived) == len(keys))
        await rob(parts.database, robbed)
        for answer in temporal.held.values():
            answer.set()

        async def settled() -> bool:
            rows = await parts.database.fetch("select * from dispatches where state = 'done'")
            assert {row["key"] for row in rows} == {
                key for key in keys if partition_of(key) != robbed
            }
            return True

        await eventually(settled)
        assert robbed not in dispatcher.ownership.active


async def rob(database: Database, partition: int) -> None:
    """Give a partition's lease to somebody else, as if it had run out."""
    await database.execute(
        "update leases set owner = 'robber', epoch = epoch + 1,"
        " expires_at = clock_timestamp() + interval '1 hour' where name = $1",
        f"partition/{partition}",
    )


async def test_a_daemon_cut_off_from_postgres_doubles_nothing_and_keeps_the_order(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    keys = [f"k{number}" for number in range(20)]
    temporal.seconds = lambda _call: 0.02
    events = [(key, number) for number in range(10) for key in keys]
    async with (
        Proxy.to(parts.database.dsn) as proxy,
        cut_off(proxy, parts.database) as elsewhere,
    ):
        unlucky = parts.dispatcher("unlucky", database=elsewhere)
        async with running(unlucky, parts.dispatcher("lucky")):
            await eventually(lambda: unlucky.ownership.held == PARTITIONS // 2)
            await parts.plan(*events)
            await eventually(lambda: len(temporal.effects) > 40)
            proxy.stall()
            await done(parts, "lucky", len(events))
            proxy.resume()
            await eventually(lambda: unlucky.ownership.held == PARTITIONS // 2, within=20)
    for key in keys:
        assert temporal.numbers(key) == list(range(10))


async def done(parts: Parts, by: str, count: int) -> None:
    async def look() -> bool:
        rows = await parts.rows()
        assert {row["state"] for row in rows} == {"done"}
        assert by in {row["daemon"] for row in rows}
        return len(rows) == count

    await eventually(look, within=30)


async def test_partitions_of_a_dead_daemon_are_free_soon_after_the_clock_went_back(
    database: Database,
) -> None:
    dead, one = Daemon(database, "dead"), Daemon(database, "one")
    async with started(dead):
        await shared_evenly(dead)
        await freeze(dead)
    await database.execute("update leases set expires_at = expires_at + interval '1 h'")
    async with started(one):
        await shared_evenly(one)


async def test_what_was_due_before_the_clock_went_back_is_done_now(database: Database) -> None:
    parts = Parts(database, ScriptedTemporal())
    await parts.plan(("a", 1), ("b", 2))
    await database.execute(
        "update dispatches set next_attempt_at = next_attempt_at + interval '1 h'"
    )
    async with running(parts.dispatcher()):

        async def done() -> bool:
            return await parts.states() == {"done": 2}

        await eventually(done, within=60)
