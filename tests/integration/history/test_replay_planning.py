"""What a replay to routes plans: never what may have been forgotten, and never too much at once."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from bridge.evaluation import Evaluator
from bridge.history.replay.store import ToRoutes
from bridge.history.replay.to_routes import Planner, RoutesTarget, UnknownRoute
from bridge.routes.table import RouteTable
from eventstore.database import Database
from eventstore.events import Origin
from eventstore.store import EventStore
from tests.integration.dead_letters.builders import TOPIC, delivery, order, record, routes
from tests.support import history
from tests.support.waiting import eventually

COUNT = 30


def planner(
    table: RouteTable,
    *,
    retention: float | None = None,
    again: bool = False,
    forgotten: bool = False,
) -> Planner:
    target = ToRoutes(again=again, forgotten=forgotten)
    return Planner(table, target, Evaluator(), max_hops=16, retention=retention)


async def replayed(
    database: Database, store: EventStore, planned_by: Planner, **sizes: int
) -> tuple[Counter[str], list[int]]:
    """Run a replay to routes; return its tally, and how many were open while it waited."""
    waited: list[int] = []
    target = RoutesTarget(database, planned_by, waiting=waited.append, **sizes)
    replay = await history.begun(database, store, ToRoutes())
    await history.run(database, store, replay, target)
    return target.tally, waited


async def generations(database: Database) -> Counter[int]:
    rows = await database.fetch("select generation from dispatches")
    return Counter(row["generation"] for row in rows)


async def test_what_retention_may_have_removed_is_only_planned_when_asked_for(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    table = routes(tmp_path, "ship")
    # Of these nobody knows how they came in: an imported history.
    await history.fill(store, 3, origin=Origin.RECEIVED, topic=TOPIC)
    # This one matched, and its dispatch was removed; this one is remembered.
    for number in (1, 2):
        await record(database, store, table, delivery(number, order(number)))
    await database.execute("delete from dispatches where id = (select min(id) from dispatches)")
    tally, _ = await replayed(database, store, planner(table))
    assert tally == Counter(events=5, forgotten=4, seen=1)
    # What did not match when it came in cannot have been dispatched.
    both = routes(tmp_path, "ship", "bill")
    old, _ = await replayed(database, store, planner(both, retention=1e-6))
    assert (old["planned bill"], old["forgotten"]) == (0, 9)
    asked, _ = await replayed(database, store, planner(table, forgotten=True))
    assert asked["planned ship"] == 4
    assert await generations(database) == {1: 5}
    await database.execute("update dispatches set state = 'done', settled_at = now()")
    await database.execute("delete from dispatches where position = 1")
    again, _ = await replayed(database, store, planner(table, again=True))
    assert again["planned ship"] == 5
    # Generation 1 may have been used by what is forgotten.
    assert await generations(database) == {1: 4, 2: 5}


async def test_a_new_route_is_planned_for_what_it_has_not_seen(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    arrivals = [delivery(number, order(number)) for number in range(1, COUNT + 1)]
    await record(database, store, routes(tmp_path, "ship"), *arrivals)
    both = routes(tmp_path, "ship", "bill")
    for planned in (COUNT, 0):
        tally, _ = await replayed(database, store, planner(both))
        assert (tally["planned bill"], tally["planned ship"]) == (planned, 0)
    rows = await database.fetch(
        "select position, replay from dispatches where route = 'bill' order by id"
    )
    assert [row["position"] for row in rows] == sorted(row["position"] for row in rows)
    assert len({row["replay"] for row in rows}) == 1
    with pytest.raises(UnknownRoute, match="unknown routes: sell; the routes are: ship, bill"):
        Planner(both, ToRoutes(names=("sell",)), Evaluator(), max_hops=16, retention=None)


async def test_it_waits_while_enough_is_open(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    arrivals = [delivery(number, order(number)) for number in range(1, COUNT + 1)]
    await record(database, store, RouteTable(()), *arrivals)
    running = asyncio.create_task(
        replayed(database, store, planner(routes(tmp_path, "ship")), max_open=10, batch=10)
    )
    most = 0

    async def settle() -> bool:
        nonlocal most
        count = await database.fetchval("select count(*) from dispatches where state = 'open'")
        most = max(most, count)
        if count >= 10:
            await database.execute(
                "update dispatches set state = 'done', settled_at = now() where state = 'open'"
            )
        return running.done()

    await eventually(settle, within=30)
    tally, waited = await running
    assert tally["planned ship"] == COUNT
    assert most == 10
    assert waited
    assert waited[-1] == 0
