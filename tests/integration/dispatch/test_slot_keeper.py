"""The part that cancels runs whose slots are wanted: once, by one daemon, and again after an error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from bridge.dispatch.slot_keeper import SlotKeeper
from bridge.flow.plan import SlotPlan
from bridge.lifecycle.leadership import Leadership
from bridge.lifecycle.lease_names import slots_lease
from bridge.operations.calls import CallError, Run
from eventstore.database import Database
from eventstore.leases import Leases
from tests.support.slot_rows import SlotRows
from tests.support.waiting import eventually


@dataclass
class Cancels:
    """A Temporal that takes requests to cancel."""

    errors: list[CallError] = field(default_factory=list)
    asked: list[tuple[str, str, UUID]] = field(default_factory=list)

    async def describe(self, workflow_id: str, run_id: str) -> Run:
        """Describe a run, the third of its chain."""
        return Run(run_id=run_id, first_run_id=f"{workflow_id}-{run_id}-first")

    async def cancel(self, workflow_id: str, first_run_id: str, request_id: UUID) -> None:
        """Take one, or fail as the test says."""
        self.asked.append((workflow_id, first_run_id, request_id))
        if self.errors:
            raise self.errors.pop(0)


@asynccontextmanager
async def keeping(
    database: Database, temporal: Any, daemons: int = 1
) -> AsyncIterator[list[int]]:
    """Run a keeper in each of some daemons; yields how often they said that slots were granted."""
    woken: list[int] = []
    keepers = [
        SlotKeeper(
            database,
            temporal,
            Leadership(Leases(database), slots_lease(""), f"daemon-{number}"),
            "",
            lambda number=number: woken.append(number),  # type: ignore[misc]
        )
        for number in range(daemons)
    ]
    try:
        for keeper in keepers:
            await keeper.start()
        yield woken
    finally:
        for keeper in keepers:
            await keeper.stop()


async def wanted(slots: SlotRows, run: str = "r1", key: str = "a") -> None:
    """A run whose slot another dispatch wants."""
    slot = SlotPlan(key=key, when_full="cancel_running")
    first, _ = await slots.plan(slot, [1, 2])
    await slots.settle({first: ("done", run)})


async def cancelled(slots: SlotRows, number: int = 1) -> bool:
    rows = await slots.database.fetch("select * from slots where cancelled_at is not null")
    return len(rows) == number


async def test_a_run_is_cancelled_once_by_one_of_two_daemons(database: Database) -> None:
    slots, temporal = SlotRows(database), Cancels()
    await wanted(slots)
    async with keeping(database, temporal, daemons=2):
        await eventually(lambda: cancelled(slots), what="the request is noted")
    async with keeping(database, temporal):
        await wanted(slots, "r2", "b")
        await eventually(lambda: cancelled(slots, 2), what="the successor's request is noted")
    runs = [run for _, run, _ in temporal.asked]
    assert runs == ["w-r1-first", "w-r2-first"]


async def test_a_run_that_is_gone_needs_no_further_request(database: Database) -> None:
    slots = SlotRows(database)
    await wanted(slots)
    async with keeping(database, Cancels([CallError("NOT_FOUND", "no such run")])):
        await eventually(lambda: cancelled(slots), what="the request is noted")


async def test_a_request_that_fails_is_shown_and_made_again_with_the_same_id(
    database: Database,
) -> None:
    slots = SlotRows(database)
    temporal = Cancels([CallError("UNAVAILABLE", "away")])
    await wanted(slots)
    async with keeping(database, temporal):

        async def failed() -> bool:
            return await database.fetchval("select cancel_error from slots") is not None

        await eventually(failed, what="the error is noted")
        (text,) = await database.fetch(
            "select dispatch_slot(d) as slot from dispatches d limit 1"
        )
        assert "the request to cancel its run failed" in text["slot"]
        await database.execute("update slots set cancel_at = cancel_at - interval '1 min'")
        await eventually(lambda: cancelled(slots), what="the request is noted")
    assert len(temporal.asked) == 2
    assert len(set(temporal.asked)) == 1


async def test_what_a_console_planned_is_decided_and_called(database: Database) -> None:
    slots = SlotRows(database)
    await slots.plan(SlotPlan(key="a", when_full="skip"), [1])
    first, second = await slots.plan(SlotPlan(key="b", when_full="skip"), [2, 3])
    # As a console leaves it: it may insert dispatches, and decide nothing.
    await database.execute("delete from slots where slot_key = 'b'")
    await database.execute(
        "update dispatches set state = 'queued', queued_at = null, settled_at = null, error = null"
        " where slot_key = 'b'"
    )
    async with keeping(database, Cancels()) as woken:

        async def decided() -> bool:
            states = await slots.states()
            return (states[first], states[second]) == ("open", "skipped")

        await eventually(decided, what="the slot of b is granted")
        await eventually(lambda: bool(woken), what="dispatchers are told")
