"""`ntbridge routes diff`: another routes file over the stored history, for people and for merge checks."""

import json
from typing import Any

import pytest
import yaml

from bridge.sql.storage import open_store
from tests.support import history
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge

pytestmark = pytest.mark.slow

ROUTE: dict[str, Any] = {
    "name": "ship",
    "from": "results.>",
    "start": {"workflow": "Ship", "task_queue": "q", "id": '"order/" + string(data.number)'},
}
OTHER = {
    **ROUTE,
    "when": "data.number > 2",
    "start": {**ROUTE["start"], "id": '"orders/" + string(data.number)'},
}


async def test_it_tells_what_would_be_called_in_another_way(bridge: Bridge) -> None:
    async with open_store(bridge.settings, "test") as (_, store):
        await history.fill(store, 5)
    for name, route in {"old": ROUTE, "new": OTHER}.items():
        (bridge.folder / f"{name}.yaml").write_text(yaml.safe_dump({"routes": [route]}))
    command = ("routes", "diff", "new.yaml", "--base", "old.yaml")
    done = await ntbridge(*command, "-o", "json", cwd=bridge.folder, env=bridge.environment)
    assert done.code == 1, done.err
    rows = {row["change"]: row for row in json.loads(done.out)}
    assert {change: row["events"] for change, row in rows.items()} == {
        "no longer": 2,
        "id": 3,
        "key": 3,
    }
    assert rows["id"]["first"]["id"] == "e 3"
    assert rows["id"]["first"]["before"]["id"] == "order/3"
    assert rows["id"]["first"]["after"]["id"] == "orders/3"
    assert "5 would be handled in another way" in done.err
    table = await ntbridge(*command, "-o", "table", cwd=bridge.folder, env=bridge.environment)
    assert "order/3" in table.out
    assert "orders/3" in table.out

    since = await ntbridge(
        *command, "--where", "data.number > 100", cwd=bridge.folder, env=bridge.environment
    )
    assert (since.code, since.out) == (0, ""), since.err
    assert "none would be handled in another way" in since.err
    equal = ("routes", "diff", "old.yaml", "--base", "old.yaml")
    same = await ntbridge(*equal, cwd=bridge.folder, env=bridge.environment)
    assert (same.code, same.out) == (0, ""), same.err
    unknown = await ntbridge(
        *command, "--route", "sell", cwd=bridge.folder, env=bridge.environment
    )
    assert unknown.code == 2
    assert "neither file has a route sell" in unknown.err


async def test_it_says_which_calls_a_window_makes(bridge: Bridge) -> None:
    async with open_store(bridge.settings, "test") as (_, store):
        await history.fill(store, 5)
    batched = {**ROUTE, "key": "'all'", "batch": {"for": "1h", "size": 2}}
    for name, route in {"old": ROUTE, "new": batched}.items():
        (bridge.folder / f"{name}.yaml").write_text(yaml.safe_dump({"routes": [route]}))
    command = ("routes", "diff", "new.yaml", "--base", "old.yaml", "-o", "json")
    done = await ntbridge(*command, cwd=bridge.folder, env=bridge.environment)
    assert done.code == 1, done.err
    (row,) = [each for each in json.loads(done.out) if each["change"] == "window"]
    # The fifth one is alone in both.
    assert (row["events"], row["first"]["id"]) == (4, "e 1")
    assert row["first"]["before"] == {"events": 5, "calls": 5}
    assert row["first"]["after"] == {"events": 5, "calls": 3}


async def test_it_says_which_events_find_no_slot(bridge: Bridge) -> None:
    async with open_store(bridge.settings, "test") as (_, store):
        await history.fill(store, 5)
    limited = {**ROUTE, "concurrency": {"key": "'all'", "limit": 2, "when_full": "skip"}}
    for name, route in {"old": ROUTE, "new": limited}.items():
        (bridge.folder / f"{name}.yaml").write_text(yaml.safe_dump({"routes": [route]}))
    command = ("routes", "diff", "new.yaml", "--base", "old.yaml")
    done = await ntbridge(*command, "-o", "json", cwd=bridge.folder, env=bridge.environment)
    assert done.code == 1, done.err
    (row,) = json.loads(done.out)
    assert (row["change"], row["events"], row["first"]["id"]) == ("slot", 3, "e 3")
    assert row["first"]["before"] == {"fates": {"started": 5}}
    assert row["first"]["after"] == {"fates": {"started": 2, "skipped": 3}}
    table = await ntbridge(*command, "-o", "table", cwd=bridge.folder, env=bridge.environment)
    assert "3 skipped, 2 started" in table.out
