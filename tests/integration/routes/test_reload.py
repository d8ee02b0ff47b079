"""A running daemon puts changed routes in force, keeps the old ones when they are wrong, loses nothing."""

import asyncio
import json
import os
import signal
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from nats.aio.client import Client

from bridge.devstack.child import Child
from eventstore.events import uid
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.publishing import SOURCE, event, structured
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


def write(path: Path, *names: str, schema: object = None) -> None:
    routes = [
        {
            "name": name,
            "from": "events.light.requested",
            "start": {"workflow": "LightWorkflow", "task_queue": "nobody"},
        }
        for name in names
    ]
    path.write_text(json.dumps({"routes": routes}))
    if schema is not None:
        (path.parent / "schemas").mkdir(exist_ok=True)
        (path.parent / "schemas" / f"{LIGHT}.json").write_text(json.dumps(schema))


async def planned(bridge: Bridge, client: Client) -> set[str]:
    """Publish an event and return the routes that dispatched it."""
    sent = event(LIGHT, {"number": 1, "steps": 0})
    await structured(client, bridge, sent)
    rows = await query(
        bridge, "select route from dispatches where uid = $1", uid(SOURCE, sent["id"])
    )
    return {row["route"] for row in rows}


async def query(bridge: Bridge, sql: str, argument: UUID | str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(bridge.database_url)
    try:
        return await eventually(lambda: connection.fetch(sql, argument), within=30)
    finally:
        await connection.close()


async def said(daemon: Child, words: str) -> None:
    await eventually(lambda: words in daemon.output(), within=30, what=words)


async def test_routes_change_under_a_running_daemon(bridge: Bridge, client: Client) -> None:
    write(bridge.routes_file, "first")
    daemon = bridge.daemon(NTBRIDGE_LOG__FORMAT="json")
    async with running(daemon):
        assert await planned(bridge, client) == {"first"}

        write(bridge.routes_file, "first", "second")
        await said(daemon, '"added": ["second"]')
        assert await planned(bridge, client) == {"first", "second"}

        write(bridge.routes_file, "Third")
        await said(daemon, "routes.kept")
        assert await planned(bridge, client) == {"first", "second"}

        write(bridge.routes_file, "third")
        os.kill(daemon.pid, signal.SIGHUP)
        await said(daemon, '"added": ["third"]')
        assert await planned(bridge, client) == {"third"}
        assert daemon.running


async def test_a_schema_sets_aside_what_violates_it(bridge: Bridge, client: Client) -> None:
    write(bridge.routes_file, "first", schema={"required": ["number"]})
    async with running(bridge.daemon()):
        assert await planned(bridge, client) == {"first"}
        refused = event(LIGHT, {"steps": 0})
        await structured(client, bridge, refused)
        (letter,) = await query(
            bridge,
            "select code, reason, payload, uid from dead_letters where code = $1",
            "schema",
        )
        assert letter["reason"] == 'data: "number" is a required property'
        assert json.loads(letter["payload"]) == refused
        connection = await asyncpg.connect(bridge.database_url)
        stored = await connection.fetchval("select count(*) from events")
        await connection.close()
        assert stored == 1


async def test_sighup_does_not_end_a_daemon_that_waits_for_its_database(bridge: Bridge) -> None:
    daemon = bridge.daemon(DATABASE_URL="postgresql://127.0.0.1:9/none")
    starting = asyncio.create_task(daemon.start())
    try:
        await said(daemon, "daemon.waits_for_postgres")
        os.kill(daemon.pid, signal.SIGHUP)
        before = daemon.output().count("daemon.waits_for_postgres")
        await eventually(
            lambda: daemon.output().count("daemon.waits_for_postgres") > before, within=30
        )
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await daemon.kill()
