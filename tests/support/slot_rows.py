"""Dispatches that need slots, planned and settled without events: for tests of the tables alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from bridge.closures.runs import CheckedRun, OpenRun, OpenRuns, RunState
from bridge.flow.plan import FlowPlan, SlotPlan
from bridge.intake.rows import insert_dispatches
from bridge.routes.table import PlannedDispatch
from bridge.sql import STATEMENTS
from eventstore.database import Database, Row


@dataclass
class SlotRows:
    """The dispatches of one route in a database."""

    database: Database
    route: str = "shop"

    async def plan(
        self, slot: SlotPlan, positions: Sequence[int], key: str | None = None
    ) -> list[int]:
        """Plan a dispatch for each position in one commit; return their numbers."""
        planned = [(position, uuid4(), self._planned(slot, key)) for position in positions]
        async with self.database.transaction() as connection:
            await insert_dispatches(connection, planned)
        rows = await self.database.fetch("select id, uid from dispatches")
        numbers: Mapping[UUID, int] = {row["uid"]: row["id"] for row in rows}
        return [numbers[uid] for _, uid, _ in planned]

    def _planned(self, slot: SlotPlan, key: str | None) -> PlannedDispatch:
        return PlannedDispatch(
            route=self.route,
            route_digest=b"",
            generation=1,
            operation="start",
            key=key or str(uuid4()),
            target="w",
            request_id=uuid4(),
            call=b"{}",
            starts=True,
            flow=FlowPlan(slot=slot),
        )

    async def settle(self, outcomes: Mapping[int, tuple[str, str | None]]) -> int:
        """Settle dispatches, each with a state and the run that it started; in one commit."""
        numbers = list(outcomes)
        runs = [outcomes[each][1] for each in numbers]
        woken = await self.database.fetchval(
            STATEMENTS["settle_dispatches"],
            numbers,
            [outcomes[each][0] for each in numbers],
            runs,
            [None] * len(numbers),
            [0.0] * len(numbers),
            "tests",
            [None if run is None else False for run in runs],
            [],
            [],
            "5s",
        )
        return int(woken)

    async def end(self, runs: Sequence[str], state: RunState = "announced") -> int:
        """Record that runs have ended; return how many slots that granted."""
        found = [
            CheckedRun(OpenRun(run, "w", run, uuid4(), self.route, bare=False), state, run)
            for run in runs
        ]
        async with self.database.transaction() as connection:
            return await OpenRuns.settle(connection, found)

    async def sweep(self) -> tuple[int, int]:
        """Sweep; return how many slots were freed and granted."""
        row = await self.database.fetchrow(STATEMENTS["sweep_slots"], 1000)
        assert row is not None
        return row["freed"], row["granted"]

    async def rows(self) -> list[Row]:
        """All dispatches, in the order of their events."""
        return await self.database.fetch("select * from dispatches order by position, id")

    async def states(self) -> dict[int, str]:
        """The state of each dispatch."""
        return {row["id"]: row["state"] for row in await self.rows()}

    async def held(self) -> dict[str, list[int]]:
        """Who holds the slots of each key."""
        rows = await self.database.fetch("select * from slots order by slot_key, dispatch")
        found: dict[str, list[int]] = {}
        for row in rows:
            found.setdefault(row["slot_key"], []).append(row["dispatch"])
        return found

    async def cancelled(self) -> set[int]:
        """The dispatches that hold slots and whose runs are to be cancelled."""
        rows = await self.database.fetch("select * from slots where cancel_for is not null")
        return {row["dispatch"] for row in rows}
