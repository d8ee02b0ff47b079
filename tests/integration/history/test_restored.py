"""A backup of the database that was restored: noticed by the relay, and what an operator does then."""

import asyncio
from pathlib import Path

import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs

from bridge.devstack import binaries
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support import checker, databases, history
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge
from tests.support.relays import passed, relaying
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


async def restore_backup(database: Database, through: int) -> None:
    """Make the database what it was when the log ended here."""
    async with database.transaction() as connection:
        await connection.execute(
            "ALTER TABLE events DISABLE TRIGGER ALL;"
            f"DELETE FROM events WHERE position > {through};"
            f"SELECT setval('events_position_seq', {through})"
        )


async def test_the_relay_goes_no_further_until_the_operator_has_said_so(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    events = await history.fill(store, 20)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, events[-1].position)
    await restore_backup(database, 10)
    with capture_logs() as log:
        async with relaying(bridge, database, store):
            await history.fill(store, 5, first=100)
            await eventually(lambda: [each for each in log if each["event"] == "relay.stopped"])
    (stopped,) = [each for each in log if each["event"] == "relay.stopped"]
    assert "is at position 20 of the store, which ends at 1" in stopped["error"]
    assert "After a restore" in stopped["error"]
    assert (await js.stream_info(stream)).state.messages == 20, "nothing was published over"

    env = bridge.environment
    renewed = await ntbridge("migrate", "--restored", cwd=bridge.folder, env=env)
    assert (renewed.code, "incarnation is" in renewed.err) == (0, True), renewed.err
    await js.delete_stream(stream)
    assert (await ntbridge("migrate", cwd=bridge.folder, env=env)).code == 0
    with capture_logs() as log:
        async with relaying(bridge, database, store):
            # The checkpoint, too, is of the history that is no more.
            await eventually(lambda: [each for each in log if each["event"] == "relay.stopped"])
    rebuilt = await ntbridge(
        "verify", "--rebuild", "--yes", "--grace", "0", cwd=bridge.folder, env=env
    )
    assert rebuilt.code == 0, rebuilt.err
    async with relaying(bridge, database, store) as (relay, _):
        (last,) = await history.fill(store, 1, first=200)
        await passed(relay, last.position)
    await checker.assert_same_results(bridge, 16)


async def test_a_store_that_has_grown_past_what_it_lost_is_noticed_too(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    """Events that were lost left positions, which others have got before the relay looks."""
    stream = f"{bridge.prefix}-RESULTS"
    events = await history.fill(store, 20)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, events[-1].position)
    await restore_backup(database, 10)
    await history.fill(store, 15, first=100)
    with capture_logs() as log:
        async with relaying(bridge, database, store):
            await eventually(lambda: [each for each in log if each["event"] == "relay.stopped"])
    (stopped,) = [each for each in log if each["event"] == "relay.stopped"]
    assert f"the event {events[-1].uid}" in stopped["error"]
    assert "is not in the store" in stopped["error"]
    state = (await client.jetstream().stream_info(stream)).state
    assert state.messages == 20, "events were skipped"


async def run(program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        binaries.postgres(program), *arguments, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()


async def test_a_dump_is_restored_as_the_adoption_guide_says(
    bridge: Bridge, client: Client, database: Database, store: EventStore, tmp_path: Path
) -> None:
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    before = await history.fill(store, 10)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, before[-1].position)
    dump = str(tmp_path / "ntbridge.dump")
    await run("pg_dump", "--format=custom", f"--file={dump}", bridge.database_url)
    later = await history.fill(store, 5, first=100)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, later[-1].position)
    async with databases.database(bridge.database_url) as restored:
        await run("pg_restore", f"--dbname={restored}", "--exit-on-error", dump)
        env = {**bridge.environment, "DATABASE_URL": restored}
        renewed = await ntbridge("migrate", "--restored", cwd=bridge.folder, env=env)
        assert (renewed.code, "incarnation is" in renewed.err) == (0, True), renewed.err
        await js.delete_stream(stream)
        assert (await ntbridge("migrate", cwd=bridge.folder, env=env)).code == 0
        command = ("verify", "--rebuild", "--yes", "--grace", "0")
        rebuilt = await ntbridge(*command, cwd=bridge.folder, env=env)
        assert rebuilt.code == 0, rebuilt.err
        assert (await js.stream_info(stream)).state.messages == 10
