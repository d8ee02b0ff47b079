"""The database's windows against the plain model, with time as an argument."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from bridge.dispatch.partitions import PARTITIONS
from bridge.flow.plan import FlowPlan
from bridge.flow.windows import Closed, WindowPlan, Windows
from eventstore.database import Connection, Database
from tests.support.databases import execute

pytestmark = pytest.mark.slow

BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
_INSERT = """
insert into dispatches (uid, position, route, route_digest, operation, key, partition, target, request_id, call, flow, state)
values ($1, $2, 'shop', $3, 'signal', $4, $5, 'w', $1, '{}', $6, 'gathering')
"""
_GATHERING = """
select f.key, f.target, array_agg(d.position order by d.position, d.id) as members
from dispatches d join windows f on f.id = d.window_id
where d.state = 'gathering' group by 1, 2
"""
_MEMBERS = """
select c.position, c.state, c.member_ids is not null as gives_all,
       (select array_agg(m.position order by m.position, m.id) from dispatches m
        where m.id = any (c.member_ids)) as given,
       (select array_agg(m.position order by m.position, m.id) from dispatches m
        where m.into_id = c.id and m.state = 'merged' and m.settled_at = $2) as merged
from dispatches c where c.id = $1
"""

plans = st.builds(
    lambda key, target, size, kind: msgspec.structs.replace(
        kind, key=key, target=target, bytes=size if kind.gives_all else 0
    ),
    st.sampled_from("ab"),
    st.sampled_from(["", "w"]),
    st.sampled_from([10, 10, 40, 200]),
    st.sampled_from(
        [
            *[WindowPlan(kind="debounce", key="", seconds=4, at_most=9)] * 3,
            WindowPlan(kind="debounce", key="", seconds=4),
            WindowPlan(
                kind="debounce", key="", seconds=4, size=5, max_bytes=90, gives_all=True
            ),
            *[WindowPlan(kind="batch", key="", seconds=6, size=3, max_bytes=90, gives_all=True)]
            * 3,
        ]
    ),
)
joining = st.tuples(plans, st.sampled_from(["r1", "r1", "r1", "r2"]), st.booleans())
seconds = st.sampled_from([0, 0.5, 1, 3, 4, 6, 10])


class WindowMachine(RuleBasedStateMachine):
    """Events join and time passes, in any order; after each, the tables agree with the model."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._database = self._runner.run(emptied(self.url))
        self._model = Windows()
        self._now = 0.0
        self._number = 0

    def _next(self, late: bool) -> int:  # noqa: FBT001 - drawn
        """Return a position; a late event's is before all of the others'."""
        self._number += 1
        return -self._number if late else self._number

    @rule(events=st.lists(joining, min_size=1, max_size=6), after=seconds)
    def join(self, events: list[tuple[WindowPlan, str, bool]], after: float) -> None:
        self._now += after
        rows = [(self._next(late), plan, revision) for plan, revision, late in events]
        expected = [
            each
            for number, plan, revision in sorted(
                rows, key=lambda row: (row[1].key, row[1].target, row[0])
            )
            for each in self._model.join(number, plan, self._now, revision)
        ]
        closed = self._runner.run(self._joined(rows))
        assert closed == [described(each) for each in expected]

    async def _joined(self, rows: list[tuple[int, WindowPlan, str]]) -> list[Any]:
        async with self._database.transaction() as connection:
            for position, plan, revision in rows:
                flow = msgspec.json.encode(FlowPlan(window=plan)).decode()
                partition = position % PARTITIONS
                await connection.execute(
                    _INSERT, uuid4(), position, revision.encode(), plan.key, partition, flow
                )
            found = await connection.fetch("select * from join_windows($1)", self._time)
            return [await self._called(connection, each) for each in found]

    @rule(after=seconds)
    def close(self, after: float) -> None:
        self._now += after
        expected = sorted(described(each) for each in self._model.close(self._now))
        assert sorted(self._runner.run(self._closed())) == expected

    async def _closed(self) -> list[Any]:
        async with self._database.transaction() as connection:
            found = await connection.fetch(
                "select * from close_due_windows($1, $2::smallint[], 100)",
                self._time,
                list(range(PARTITIONS)),
            )
            return [await self._called(connection, each) for each in found]

    async def _called(self, connection: Connection, closed: Any) -> Any:
        """Return the events of a window that closed, having looked at what became of each."""
        row = await connection.fetchrow(_MEMBERS, closed["dispatch"], self._time)
        assert row is not None
        members = (*(row["merged"] or ()), row["position"])
        assert row["state"] == "open"
        assert len(members) == closed["events"]
        if row["gives_all"]:
            assert tuple(row["given"]) == members
        return members, closed["closed_by"]

    @property
    def _time(self) -> datetime:
        return BEGAN + timedelta(seconds=self._now)

    @invariant()
    def gathers_what_the_model_does(self) -> None:
        rows = self._runner.run(self._database.fetch(_GATHERING))
        found = {(row["key"], row["target"]): row["members"] for row in rows}
        assert found == self._model.gathering
        count, first = self._runner.run(self._open())
        assert count == len(found)
        closing = self._model.next_closing
        assert first == (None if closing is None else BEGAN + timedelta(seconds=closing))

    async def _open(self) -> tuple[int, datetime | None]:
        (row,) = await self._database.fetch("select count(*), min(closes_at) from windows")
        return row["count"], row["min"]

    @override
    def teardown(self) -> None:
        self._runner.run(self._database.close())
        self._runner.close()


def described(closed: Closed) -> Any:
    return closed.members, closed.by


async def emptied(url: str) -> Database:
    await execute(url, "truncate dispatches, windows")
    return await Database.connect(url, size=2)


async def test_windows_close_as_the_model_says(migrated_database_url: str) -> None:
    machine = type("Machine", (WindowMachine,), {"url": migrated_database_url})
    wanted = settings(
        max_examples=25,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=wanted)
