"""`ntbridge dead-letters` and the daemon beside it, as an operator uses them."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest
import yaml
from nats.aio.client import Client

from bridge.devstack.child import Child
from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.dead_letters.builders import delivery, order, record, routes
from tests.support import checker
from tests.support.cli import Done, ntbridge
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.publishing import event, structured, subject_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

BROKEN = b'{"specversion": "1.0", "id": "broken-1", "source": "/tests", "type": "a.b.c"'


async def command(bridge: Bridge, *arguments: str) -> Done:
    return await ntbridge("dead-letters", *arguments, cwd=bridge.folder, env=bridge.environment)


async def letters(bridge: Bridge, count: int) -> list[asyncpg.Record]:
    """Wait until so many letters are there."""

    async def there() -> list[asyncpg.Record] | None:
        found = await checker.dead_letters(bridge)
        return found if len(found) >= count else None

    return await eventually(there, what=f"{count} dead letters")


async def settled(bridge: Bridge, count: int) -> list[asyncpg.Record] | None:
    """That many dispatches, once all of them are settled."""
    found = await checker.dispatches(bridge)
    over = [each for each in found if each["settled_at"] is not None]
    return over if len(over) == len(found) == count else None


def write_routes(bridge: Bridge, workflow_id: str) -> None:
    start = {"workflow": "LightWorkflow", "task_queue": bridge.task_queue, "id": workflow_id}
    route = {
        "name": bridge.light_route,
        "from": "events.light.requested",
        "type": LIGHT,
        "start": start,
    }
    bridge.routes_file.write_text(yaml.safe_dump({"routes": [route]}))


async def publish_the_unhandled(client: Client, bridge: Bridge) -> dict[str, Any]:
    """Bytes that are no event, another body under a known id, and what the route fails on."""
    await client.jetstream().publish(subject_of(bridge, LIGHT), BROKEN)
    failing = event(LIGHT, {"number": 1}, id="fails")
    await structured(client, bridge, failing)
    await structured(client, bridge, {**failing, "data": {"number": 2}})
    return failing


async def test_from_dead_letter_to_redriven(bridge: Bridge, client: Client) -> None:
    write_routes(bridge, '"light/" + data.nothing')
    daemon: Child = bridge.daemon()
    async with running(daemon):
        await publish_the_unhandled(client, bridge)
        found = await letters(bridge, 3)
        assert [(each["stage"], each["code"]) for each in found] == [
            ("intake", "json"), ("dispatch", "expression"), ("intake", "conflict"),
        ]  # fmt: skip
        broken, failed, conflict = (each["id"] for each in found)

        listed, summary, shown, raw, tried = await asyncio.gather(
            command(bridge, "ls"),
            command(bridge, "ls", "--summary", "--stage", "intake"),
            command(bridge, "show", str(broken)),
            command(bridge, "show", str(broken), "--raw"),
            command(bridge, "redrive", "--all", "--dry-run"),
        )
        assert [row["id"] for row in listed.rows] == [conflict, failed, broken]
        assert [row["event_id"] for row in listed.rows] == ["fails", "fails", "broken-1"]
        assert {row["code"]: row["letters"] for row in summary.rows} == {
            "json": 1,
            "conflict": 1,
        }
        assert "reason" in shown.out
        assert BROKEN.decode() in shown.out
        assert raw.out.encode() == BROKEN
        assert tried.code == 1
        assert [row["outcome"] for row in tried.rows] == ["left-open"] * 3
        assert "3 open dead letters selected" in tried.err
        assert await checker.rows(bridge, "select * from dead_letter_history") == []

        write_routes(bridge, '"light/mended/" + event.uid')
        again = await command(bridge, "redrive", "--event", "fails", "--stage", "dispatch")
        assert again.code == 0, again.err
        assert [row["outcome"] for row in again.rows] == ["redriven"]

        still = await command(bridge, "redrive", str(conflict), str(broken), "-o", "json")
        assert still.code == 1
        assert [row["outcome"] for row in json.loads(still.out)] == ["left-open", "left-open"]

        dropped = await command(
            bridge, "drop", str(conflict), str(broken), "--why", "a test of ours"
        )
        assert dropped.code == 0, dropped.err
        assert (await command(bridge, "ls")).rows == []
        told = await command(bridge, "show", str(broken), "-o", "json")
        history = json.loads(told.out)["history"]
        assert [deed["what"] for deed in history] == ["left-open", "dropped"]
        assert history[-1]["detail"] == "a test of ours"

        first, second = await eventually(lambda: settled(bridge, 2))
        assert (first["generation"], first["state"]) == (1, "dead")
        assert (second["generation"], second["state"]) == (2, "done")
        assert first["request_id"] != second["request_id"]


async def test_nothing_is_touched_by_oversight(bridge: Bridge) -> None:
    await checker.rows(
        bridge,
        "insert into dead_letters (stage, code, reason) "
        "select 'intake', 'json', 'no JSON' from generate_series(1, 11)",
    )
    unsaid, many, unknown, wordless, sure = await asyncio.gather(
        command(bridge, "redrive"),
        command(bridge, "redrive", "--code", "json"),
        command(bridge, "show", "4711"),
        command(bridge, "drop", "1"),
        command(bridge, "drop", "--code", "json", "--why", "a test", "--yes", "--dry-run"),
    )
    assert (unsaid.code, many.code, unknown.code, wordless.code) == (2, 2, 1, 2)
    assert "--all" in unsaid.err
    assert "redrive all 11?" in many.err
    assert "--why" in wordless.err
    assert "11 open dead letters selected" in sure.err
    rest = await command(bridge, "ls", "--limit", "2")
    assert len(rest.rows) == 2
    assert "the newest 2 of 11" in rest.err


async def test_a_fault_nobody_foresaw_keeps_its_traceback(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    await record(database, store, routes(bridge.folder, "ship"), delivery(900, order(1)))
    await database.execute("update dispatches set operation = 'nonsense', attempts = 4")
    await database.execute(
        "create function broken() returns trigger language plpgsql as "
        "$$ begin raise exception 'broken' using errcode = 'XX000'; end $$"
    )
    # Not on events: what the database refuses to store there is foreseen. A delivery that is set
    # aside names no event, and passes.
    await database.execute(
        "create trigger broken before insert on deliveries for each row "
        "when (new.uid is not null and new.topic like '%unwanted') execute function broken()"
    )
    async with running(bridge.daemon()):
        unwanted = event("io.example.unwanted.v1", id="unwanted")
        await client.jetstream().publish(
            f"{bridge.prefix}.events.example.unwanted", json.dumps(unwanted).encode()
        )
        found = {each["stage"]: each for each in await letters(bridge, 2)}
    dispatched, taken_in = found["dispatch"], found["intake"]
    assert (dispatched["code"], taken_in["code"]) == ("unexplained", "unexplained")
    assert dispatched["attempts"] == 5
    assert "KeyError: 'nonsense'" in dispatched["reason"]
    assert taken_in["event_id"] == "unwanted"
    for each in found.values():
        assert "Traceback (most recent call last)" in each["traceback"]
        assert "Traceback" not in each["reason"]
    shown = await command(bridge, "show", str(dispatched["id"]))
    assert "traceback\n  Traceback (most recent call last):" in shown.out
