"""Every login of Postgres against every table, cell by cell, by trying it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import asyncpg
import pytest

from bridge import dead_letters
from bridge.dead_letters import DeadLetter
from eventstore.database import Database
from eventstore.errors import NotAdmitted
from eventstore.events import Event, NewEvent
from eventstore.leases import Leases
from eventstore.store import EventStore
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge
from tests.support.fixtures import bridge
from tests.support.roles import login

__all__ = ["bridge"]

ROLES: Mapping[str, str | None] = {
    "daemon": "ntbridge_app",
    "worker": "ntbridge_worker",
    "console": "ntbridge_console",
    "reader": "ntbridge_reader",
    "stranger": None,
}
OPERATORS = "ntbridge_owner"

# Per table: what each login may do. s: SELECT, i: INSERT, d: DELETE, t: TRUNCATE; then the columns
# that it may UPDATE, or * for all.
RUN_COLUMNS = "state latest reason ended_at next_look_at"
DISPATCH_COLUMNS = (
    "state run_id error attempts next_attempt_at waiting_until woken queued_at ready_at settled_at daemon"
    " window_id into_id member_ids"
)
REPLAY_COLUMNS = "position sequence done tally epoch state runner rate problem run_at done_before saved_at finished_at"
TYPES = ("event_row", "planned_dispatch")
CELLS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "events": {"daemon": ("si", ""), "worker": ("s", ""), "reader": ("s", "")},
    "event_sources": {"daemon": ("si", ""), "worker": ("s", ""), "reader": ("s", "")},
    "event_attributes": {"daemon": ("s", ""), "reader": ("s", "")},
    "event_documents": {"daemon": ("s", ""), "reader": ("s", "")},
    "store_incarnation": {"daemon": ("s", ""), "worker": ("s", ""), "reader": ("s", "")},
    "schema_migrations": {"daemon": ("s", ""), "worker": ("s", ""), "reader": ("s", "")},
    # A worker reads which removals erased, not who asked and why.
    "removals": {"daemon": ("s", ""), "worker": ("s", ""), "reader": ("s", "")},
    "deleted_events": {"daemon": ("s", ""), "worker": ("s", ""), "reader": ("s", "")},
    "archive_parts": {"daemon": ("s", ""), "reader": ("s", "")},
    "windows": {"daemon": ("sid", "*"), "reader": ("s", "")},
    "leases": {"daemon": ("si", "*"), "reader": ("s", "")},
    "checkpoints": {"daemon": ("si", "*"), "reader": ("s", "")},
    "deliveries": {"daemon": ("sid", "verdict uid"), "reader": ("s", "")},
    "dispatches": {"daemon": ("sid", DISPATCH_COLUMNS), "reader": ("s", "")},
    "dead_letters": {"daemon": ("si", "state closed_at uid notified_at"), "reader": ("s", "")},
    "dead_letter_history": {"daemon": ("si", ""), "reader": ("s", "")},
    "source_progress": {"daemon": ("si", "*"), "reader": ("s", "")},
    "removed_messages": {"daemon": ("si", "*"), "reader": ("s", "")},
    "counted_messages": {
        "daemon": ("si", "messages first through counted_at"),
        "reader": ("s", ""),
    },
    "counted_ranges": {"daemon": ("si", "through through_ns"), "reader": ("s", "")},
    "replays": {"daemon": ("si", "*"), "reader": ("s", "")},
    "runs": {"daemon": ("sid", RUN_COLUMNS), "reader": ("s", "")},
    "slots": {"daemon": ("sid", "*"), "reader": ("s", "")},
    "slot_locks": {"daemon": ("s", "*"), "reader": ("s", "")},
    "audit": {"daemon": ("si", ""), "reader": ("s", "")},
    "pauses": {"daemon": ("sid", ""), "reader": ("s", "")},
    "emit_identity": {"daemon": ("s", "")},
    "patterns": {"worker": ("sid", ""), "reader": ("s", "")},
    "pattern_learners": {"worker": ("sid", ""), "reader": ("s", "")},
    "pattern_unlearners": {"worker": ("si", ""), "reader": ("s", "")},
    "environment_slices": {"worker": ("si", "*"), "reader": ("s", "")},
    "environment_closed_keys": {"worker": ("si", "*"), "reader": ("s", "")},
    "environment_changes": {"worker": ("sid", "*"), "reader": ("s", "")},
    "environment_materials": {"worker": ("sid", "*"), "reader": ("s", "")},
    "environment_ports": {"worker": ("sid", "*"), "reader": ("s", "")},
    "environment_plans": {"worker": ("si", ""), "reader": ("s", "")},
    "signing_keys": {"worker": ("si", ""), "reader": ("s", "")},
    "services": {"worker": ("si", "*"), "reader": ("s", "")},
    "releases": {"worker": ("si", "*"), "reader": ("s", "")},
    "service_machine": {"worker": ("si", ""), "reader": ("s", "")},
    "monitoring_rules": {"worker": ("sid", "*"), "reader": ("s", "")},
    "monitoring_closed_keys": {"worker": ("si", ""), "reader": ("s", "")},
    "artefact_store": {"worker": ("si", ""), "reader": ("s", "")},
}
ACTS: Mapping[str, tuple[str, str]] = {
    "events": ("si", ""),
    "event_sources": ("si", ""),
    "leases": ("si", "*"),
    "deliveries": ("si", "verdict uid"),
    "dispatches": ("si", ""),
    "dead_letters": ("si", "state closed_at uid"),
    "dead_letter_history": ("si", ""),
    "replays": ("si", REPLAY_COLUMNS),
    "audit": ("si", ""),
    "pauses": ("sid", ""),
}
"""Where a console may do more than a reader."""


@pytest.fixture
async def logins(migrated_database_url: str) -> AsyncIterator[dict[str, str]]:
    """DSNs of a login for each role."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(login(migrated_database_url, role, name))
            for name, role in ROLES.items()
        }


async def may(connection: asyncpg.Connection, statement: str) -> bool:
    """Try a statement and undo it; whatever else is wrong with it, it was permitted."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement, timeout=10)
    except asyncpg.InsufficientPrivilegeError:
        return False
    except asyncpg.PostgresError:
        return True
    finally:
        await transaction.rollback()
    return True


async def cell(connection: asyncpg.Connection, relation: asyncpg.Record) -> tuple[str, str]:
    table, columns = relation["name"], relation["columns"]
    if relation["is_view"]:  # which is only read
        return "s" if await may(connection, f"SELECT 1 FROM {table} WHERE false") else "", ""
    verbs = {
        "s": f"SELECT 1 FROM {table} WHERE false",
        "i": f"INSERT INTO {table} DEFAULT VALUES",
        "d": f"DELETE FROM {table} WHERE false",
        "t": f"TRUNCATE {table}",
    }
    allowed = "".join([verb for verb, each in verbs.items() if await may(connection, each)])
    changes = [
        column
        for column in columns
        if await may(connection, f"UPDATE {table} SET {column} = DEFAULT WHERE false")
    ]
    return allowed, "*" if changes == columns else " ".join(sorted(changes))


def cells_of(table: str) -> Mapping[str, tuple[str, str]]:
    """What each login may do with a table."""
    cells = CELLS[table]
    return {**cells, "console": ACTS.get(table, cells.get("reader", ("", "")))}


async def test_every_login_against_every_table(
    migrated_database_url: str, logins: dict[str, str]
) -> None:
    owner = await asyncpg.connect(migrated_database_url)
    try:
        tables = await owner.fetch(
            "select c.relname as name, c.relkind = 'v' as is_view, array_agg(a.attname::text order by a.attnum) as columns"
            " from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
            " and not a.attisdropped where c.relnamespace = 'public'::regnamespace"
            " and c.relkind in ('r', 'v', 'm', 'p') group by c.relname, c.relkind"
        )
        types = await owner.fetch(
            "select t.typname as name, pg_get_userbyid(t.typowner) as owner"
            " from pg_type t join pg_class c on c.oid = t.typrelid and c.relkind = 'c'"
            " where t.typnamespace = 'public'::regnamespace"
        )
        definers = await owner.fetch(
            "select proname from pg_proc p where pronamespace = 'public'::regnamespace and prosecdef"
            " and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"
        )
    finally:
        await owner.close()
    # A new table wants a decision: who may do what with it?
    assert {row["name"] for row in tables} == set(CELLS)
    assert {row["name"]: row["owner"] for row in types} == dict.fromkeys(
        TYPES, "ntbridge_owner"
    )
    # A function does what its caller may do, and no more.
    assert not definers
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for name, url in logins.items():
        connection = await asyncpg.connect(url)
        try:
            for row in tables:
                found.setdefault(row["name"], {})[name] = await cell(connection, row)
        finally:
            await connection.close()
    expected = {
        table: {
            name: (rights, " ".join(sorted(columns.split())))
            for name in ROLES
            for rights, columns in [cells_of(table).get(name, ("", ""))]
        }
        for table in CELLS
    }
    assert found == expected


async def test_a_console_takes_leases_of_replays_only(logins: dict[str, str]) -> None:
    console = await Database.connect(logins["console"], size=2)
    daemon = await Database.connect(logins["daemon"], size=1)
    try:
        for name in ("relay", "partition/1", "source/EVENTS/ntbridge", "replay"):
            with pytest.raises(NotAdmitted):
                await Leases(console).acquire(name, "console", 60)
            held = await Leases(daemon).acquire(name, "daemon", 60)
            assert held is not None
            with pytest.raises(NotAdmitted):
                await Leases(console).depose(name, "console", 1)
            await held.renew()
        own = await Leases(console).acquire("replay/1", "console", 60)
        assert own is not None
        await own.renew()
        await own.release()
        assert set(await Leases(console).held("")) >= {"relay", "replay"}
    finally:
        for database in (console, daemon):
            await database.close()


async def test_holders_of_leases_draw_epochs_and_nobody_draws_positions(
    logins: dict[str, str],
) -> None:
    sequences = {"lease_epochs": {"daemon", "console"}, "events_position_seq": set[str]()}
    for name, url in logins.items():
        connection = await asyncpg.connect(url)
        try:
            for sequence, drawers in sequences.items():
                allowed = await may(connection, f"SELECT nextval('{sequence}')")
                assert allowed is (name in drawers), (name, sequence)
                assert not await may(connection, f"SELECT setval('{sequence}', 7)")
            for statement in (
                "CREATE TABLE mine ()",
                f"SET ROLE {OPERATORS}",
                "SET session_replication_role = replica",
                "ALTER TABLE events DISABLE TRIGGER ALL",
            ):
                assert not await may(connection, statement), (name, statement)
        finally:
            await connection.close()


LOOKS = (
    "events explain the-subject -o ndjson",
    "events export out.ndjson",
    "dispatches ls",
    "dead-letters show {letter}",
    "sources counted",
)
"""What a person who may only look asks."""

CHANGES = ("dead-letters drop {letter} --yes --why tried", "replay --to-nats")
"""What it must not do, and is told so."""


@pytest.mark.slow
async def test_a_reader_can_look_at_everything_and_change_nothing(
    bridge: Bridge, logins: dict[str, str]
) -> None:
    letter = await recorded(bridge.database_url)
    env = {**bridge.environment, "DATABASE_URL": logins["reader"]}
    looked, *others = [
        await ntbridge(*command.format(letter=letter).split(), cwd=bridge.folder, env=env)
        for command in LOOKS
    ]
    assert [each.code for each in (looked, *others)] == [0] * len(LOOKS), looked.err
    assert looked.rows[0]["event"]["id"] == "the-event"
    for command in CHANGES:
        done = await ntbridge(
            *command.format(letter=letter).split(), cwd=bridge.folder, env=env
        )
        assert done.code not in (0, 2), (command, done.out)
        assert "permission denied" in done.err, (command, done.err)
        assert "Traceback" not in done.err


async def recorded(database_url: str) -> int:
    """Put an event and a dead letter into the store; return the letter's number."""
    database = await Database.connect(database_url, application_name="tests")
    try:
        store = EventStore(database)
        event = Event(
            id="the-event",
            source="/reader",
            type="io.example.reader.looked.v1",
            subject="the-subject",
        )
        await store.append("reader-1", [NewEvent(event=event)])
        await store.aclose()
        async with database.transaction() as connection:
            letter = DeadLetter(stage="intake", code="json", reason="it is none", payload=b"x")
            await dead_letters.insert(connection, [letter])
        number: int = await database.fetchval("select max(id) from dead_letters")
        return number
    finally:
        await database.close()
