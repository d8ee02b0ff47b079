"""A backtest equals what replays to both routes files plan, over a history that nobody dispatched."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from bridge.evaluation import Evaluator
from bridge.history.backtest.backtest import Backtest
from bridge.history.replay.store import ToRoutes
from bridge.history.replay.to_routes import Planner
from bridge.routes.loading import load_routes
from bridge.routes.table import RouteTable
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support import history

START = {"workflow": "Ship", "task_queue": "q"}
OLD: dict[str, dict[str, Any]] = {
    "same": {"start": START},
    "narrower": {"start": START},
    "gone": {"start": START, "when": "data.number < 10"},
    "moved": {"start": {**START, "id": '"order/" + string(data.number)'}},
    "broken": {"start": START},
}
NEW: dict[str, dict[str, Any]] = {
    "same": {"start": START},
    "narrower": {"start": START, "when": "data.number % 2 == 0"},
    "moved": {"start": {**START, "id": '"orders/" + string(data.number)'}, "key": '"one"'},
    "broken": {"start": {**START, "id": "data.text"}},
    "added": {"start": START, "when": "data.number > 25"},
}
COUNT = 30


def table(folder: Path, routes: dict[str, dict[str, Any]]) -> RouteTable:
    file = folder / f"routes-{len(list(folder.iterdir()))}.yaml"
    written = [{"name": name, "from": "results.>", **each} for name, each in routes.items()]
    file.write_text(yaml.safe_dump({"routes": written}))
    return load_routes(file)


async def planned(
    database: Database, store: EventStore, routes: RouteTable
) -> dict[tuple[int, str], tuple[Any, ...]]:
    """What a replay to these routes would plan: each plan by position and route."""
    found = {}
    async with Evaluator() as evaluator:
        planner = Planner(routes, ToRoutes(), evaluator, max_hops=16, retention=None)
        async for page in store.read_pages(through=await store.settled()):
            known = await planner.known(database, page)
            for stored in page:
                for plan in await planner.plan(stored, known, Counter()):
                    key = stored.position, plan.route
                    found[key] = (plan.state, plan.target, plan.key, plan.call, plan.error)
    return found


async def test_it_finds_what_replays_to_both_files_plan(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    await history.fill(store, COUNT)
    before, after = table(tmp_path, OLD), table(tmp_path, NEW)
    old, new = [await planned(database, store, each) for each in (before, after)]
    async with Evaluator() as evaluator:
        backtest = Backtest(before, after, evaluator, max_hops=16, samples=COUNT)
        await backtest.run(store, history.EVERYTHING, await store.settled())
    assert "same" not in backtest.compared
    assert backtest.events == COUNT
    differ = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    sampled = {
        (each.stored.position, group.route)
        for group in backtest.groups
        for each in group.samples
    }
    assert sampled == differ
    assert backtest.different == len({position for position, _ in differ})
    counts = {(group.route, group.kind): group.count for group in backtest.groups}
    assert counts[("moved", "id")] == counts[("moved", "key")] == COUNT
    assert counts[("narrower", "no longer")] == COUNT // 2
    assert counts[("gone", "no longer")] == 9
    assert counts[("added", "additional")] == COUNT - 25
    first = next(group for group in backtest.groups if group.route == "added").samples[0]
    assert first.stored.event.id == "e 26"


async def test_equal_routes_are_compared_where_a_schema_differs(
    store: EventStore, tmp_path: Path
) -> None:
    await history.fill(store, COUNT)
    other = tmp_path / "other"
    (other / "schemas").mkdir(parents=True)
    schema = '{"properties": {"number": {"maximum": 20}}}'
    (other / "schemas" / f"{history.TYPE}.json").write_text(schema)
    before, after = table(tmp_path, OLD), table(other, OLD)
    async with Evaluator() as evaluator:
        backtest = Backtest(before, after, evaluator, max_hops=16, names=["same"])
        await backtest.run(store, history.EVERYTHING, await store.settled())
    counts = {(group.route, group.kind): group.count for group in backtest.groups}
    assert counts == {("same", "no longer"): COUNT - 20}


async def test_equal_files_are_not_read_for(tmp_path: Path) -> None:
    routes = table(tmp_path, OLD)
    async with Evaluator() as evaluator:
        assert not Backtest(routes, table(tmp_path, OLD), evaluator, max_hops=16).compared
