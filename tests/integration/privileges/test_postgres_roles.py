"""Every login of Postgres against every table, cell by cell, by trying it."""

import secrets
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from bridge import dead_letters
from bridge.dead_letters import DeadLetter
from bridge.sql.storage import COMPONENTS
from eventstore.database import Database
from eventstore.events import Event, NewEvent
from eventstore.migrate import make_roles
from eventstore.store import EventStore
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge
from tests.support.databases import execute
from tests.support.fixtures import bridge

__all__ = ["bridge"]

ROLES: Mapping[str, str | None] = {
    "daemon": "ntbridge_app",
    "worker": "ntbridge_worker",
    "console": "ntbridge_reader",
    "stranger": None,
}
OPERATORS = "ntbridge_owner"

# Per table: what each login may do. s: SELECT, i: INSERT, d: DELETE, t: TRUNCATE; then the columns
# that it may UPDATE, or * for all.
RUN_COLUMNS = "state latest reason ended_at next_look_at"
DISPATCH_COLUMNS = (
    "state run_id error attempts next_attempt_at waiting_until woken settled_at daemon"
)
CELLS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "events": {"daemon": ("si", ""), "worker": ("s", ""), "console": ("s", "")},
    "event_sources": {"daemon": ("si", ""), "worker": ("s", ""), "console": ("s", "")},
    "event_attributes": {"daemon": ("s", ""), "console": ("s", "")},
    "event_documents": {"daemon": ("s", ""), "console": ("s", "")},
    "store_incarnation": {"daemon": ("s", ""), "worker": ("s", ""), "console": ("s", "")},
    "schema_migrations": {"daemon": ("s", ""), "worker": ("s", ""), "console": ("s", "")},
    "removals": {"daemon": ("s", ""), "console": ("s", "")},
    "archive_parts": {"daemon": ("s", ""), "console": ("s", "")},
    "leases": {"daemon": ("si", "*"), "console": ("s", "")},
    "checkpoints": {"daemon": ("si", "*"), "console": ("s", "")},
    "deliveries": {"daemon": ("sid", "verdict uid"), "console": ("s", "")},
    "dispatches": {"daemon": ("sid", DISPATCH_COLUMNS), "console": ("s", "")},
    "dead_letters": {"daemon": ("si", "state closed_at uid notified_at"), "console": ("s", "")},
    "dead_letter_history": {"daemon": ("si", ""), "console": ("s", "")},
    "source_progress": {"daemon": ("si", "*"), "console": ("s", "")},
    "removed_messages": {"daemon": ("si", "*"), "console": ("s", "")},
    "counted_messages": {
        "daemon": ("si", "messages first through counted_at"),
        "console": ("s", ""),
    },
    "counted_ranges": {"daemon": ("si", "through through_ns"), "console": ("s", "")},
    "replays": {"daemon": ("si", "*"), "console": ("s", "")},
    "runs": {"daemon": ("sid", RUN_COLUMNS), "console": ("s", "")},
    "audit": {"daemon": ("si", ""), "console": ("s", "")},
    "pauses": {"daemon": ("sid", ""), "console": ("s", "")},
    "emit_identity": {"daemon": ("s", "")},
    "patterns": {"worker": ("sid", ""), "console": ("s", "")},
    "pattern_learners": {"worker": ("sid", ""), "console": ("s", "")},
    "pattern_unlearners": {"worker": ("si", ""), "console": ("s", "")},
    "environment_slices": {"worker": ("si", "*"), "console": ("s", "")},
    "environment_closed_keys": {"worker": ("si", "*"), "console": ("s", "")},
    "environment_changes": {"worker": ("sid", "*"), "console": ("s", "")},
    "environment_materials": {"worker": ("sid", "*"), "console": ("s", "")},
    "environment_ports": {"worker": ("sid", "*"), "console": ("s", "")},
    "environment_plans": {"worker": ("si", ""), "console": ("s", "")},
    "signing_keys": {"worker": ("si", ""), "console": ("s", "")},
    "services": {"worker": ("si", "*"), "console": ("s", "")},
    "releases": {"worker": ("si", "*"), "console": ("s", "")},
    "service_machine": {"worker": ("si", ""), "console": ("s", "")},
    "monitoring_rules": {"worker": ("sid", "*"), "console": ("s", "")},
    "monitoring_closed_keys": {"worker": ("si", ""), "console": ("s", "")},
    "artefact_store": {"worker": ("si", ""), "console": ("s", "")},
}


@pytest.fixture
async def logins(migrated_database_url: str) -> AsyncIterator[dict[str, str]]:
    """DSNs of a login for each role; roles are those of the whole server."""
    await make_roles(migrated_database_url, COMPONENTS)
    parts = urlsplit(migrated_database_url)
    found, made = {}, []
    for name, role in ROLES.items():
        login = f"{name}_{secrets.token_hex(4)}"
        member = f"IN ROLE {role}" if role else ""
        await execute(
            migrated_database_url, f"CREATE ROLE {login} LOGIN PASSWORD '{login}' {member}"
        )
        made.append(login)
        netloc = f"{login}:{login}@{parts.hostname}:{parts.port}"
        found[name] = urlunsplit(parts._replace(netloc=netloc))
    yield found
    for login in made:
        await execute(migrated_database_url, f"DROP OWNED BY {login}; DROP ROLE {login}")


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
        definers = await owner.fetch(
            "select proname from pg_proc p where pronamespace = 'public'::regnamespace and prosecdef"
            " and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"
        )
    finally:
        await owner.close()
    # A new table wants a decision: who may do what with it?
    assert {row["name"] for row in tables} == set(CELLS)
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
            for rights, columns in [cells.get(name, ("", ""))]
        }
        for table, cells in CELLS.items()
    }
    assert found == expected


async def test_only_the_daemon_draws_lease_epochs_and_nobody_draws_positions(
    logins: dict[str, str],
) -> None:
    sequences = {"lease_epochs": {"daemon"}, "events_position_seq": set[str]()}
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
"""What a console, or a person who may only look, asks."""

CHANGES = ("dead-letters drop {letter} --yes --why tried", "replay --to-nats")
"""What it must not do, and is told so."""


@pytest.mark.slow
async def test_a_reader_can_look_at_everything_and_change_nothing(
    bridge: Bridge, logins: dict[str, str]
) -> None:
    letter = await recorded(bridge.database_url)
    env = {**bridge.environment, "DATABASE_URL": logins["console"]}
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
