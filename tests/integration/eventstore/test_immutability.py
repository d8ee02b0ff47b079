"""What is recorded stays; what the database fills in cannot be forged. Each rule is attacked."""

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

from eventstore.database import Database
from eventstore.errors import Immutable, NotAdmitted, StatementFailed
from eventstore.leases import Leases
from eventstore.migrate import make_roles, migrate
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints
from tests.support.databases import execute
from tests.unit.eventstore.builders import new_events

MUTATIONS = [
    "UPDATE events SET data = '' WHERE position = 1",
    "UPDATE events SET data = '' WHERE false",
    "DELETE FROM events",
    "TRUNCATE events",
    "MERGE INTO events AS e USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
    (
        "INSERT INTO events (stream, version, uid, emitted, type, digest, envelope)"
        " SELECT stream, version, uid, emitted, type, digest, envelope FROM events"
        " ON CONFLICT (uid) DO UPDATE SET data = ''"
    ),
]

COLUMNS = "stream, version, uid, emitted, type, digest, envelope"
VALUES = "'f-1', 1, gen_random_uuid(), true, 'x', sha256('x'), '{}'"

FORGERIES = [
    f"INSERT INTO events ({COLUMNS}, position) OVERRIDING SYSTEM VALUE VALUES ({VALUES}, 1000)",
    f"INSERT INTO events ({COLUMNS}, recorded_at) VALUES ({VALUES}, '2001-01-01')",
    "SELECT nextval('events_position_seq')",
    "SELECT setval('events_position_seq', 1000)",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    f"INSERT INTO events ({COLUMNS}, removal) VALUES ({VALUES}, 1)",
    "UPDATE event_sources SET source = ''",
    "DELETE FROM event_sources",
    "INSERT INTO event_sources VALUES ('x', '2001-01-01')",
    "UPDATE store_incarnation SET id = gen_random_uuid()",
    "DELETE FROM leases",
    "TRUNCATE checkpoints",
    "SET session_replication_role = replica",
]


@pytest.fixture
async def login(store_url: str) -> AsyncIterator[str]:
    """A login role of the test's own, to be granted one of the store's."""
    await make_roles(store_url)
    name = f"login_{secrets.token_hex(4)}"
    await execute(store_url, f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    yield name
    await execute(store_url, f"DROP OWNED BY {name}; DROP ROLE {name}")


async def as_role(url: str, login: str, role: str) -> Database:
    await execute(url, f"GRANT {role} TO {login}")
    head, _, tail = url.partition("://")
    return await Database.connect(f"{head}://{login}:{login}@{tail.partition('@')[2]}")


@pytest.mark.parametrize("replica", [False, True])
async def test_even_the_owner_cannot_change_what_is_recorded(
    store: EventStore, database: Database, *, replica: bool
) -> None:
    await store.append("a-1", new_events(2))
    async with database.connection() as connection:
        if replica:
            await connection.execute("SET session_replication_role = replica")
        for mutation in MUTATIONS:
            with pytest.raises(Immutable, match="immutable"):
                await connection.execute(mutation)
        connection.terminate()
    assert await store.count() == 2


async def test_the_application_s_role_may_append_and_nothing_else(
    store_url: str, login: str
) -> None:
    database = await as_role(store_url, login, "ntbridge_app")
    try:
        await EventStore(database).append("a-1", new_events(1))
        for statement in MUTATIONS[:5] + FORGERIES:
            with pytest.raises(NotAdmitted, match=r"permission denied|must be owner"):
                await database.execute(statement)
    finally:
        await database.close()


async def test_the_application_s_role_can_do_its_whole_job(store_url: str, login: str) -> None:
    database = await as_role(store_url, login, "ntbridge_app")
    try:
        store = EventStore(database)
        await store.append("a-1", new_events(1))
        await store.append("a-1", new_events(5))
        assert len([stored async for stored in store.read_all()]) == 6
        async with store.subscribe() as subscription:
            assert (await anext(subscription.batches())).through == 6
        lease = await Leases(database).acquire("x", "me", 9)
        assert lease is not None
        await lease.renew()
        await Checkpoints(database).save("x", 6, lease)
        assert await Checkpoints(database).load("x") == 6
        assert (await store.fence_status()).lag == 0
        assert await store.incarnation() == await store.incarnation()
    finally:
        await database.close()


async def test_the_reader_s_role_reads_and_follows(
    store: EventStore, store_url: str, login: str
) -> None:
    await store.append("a-1", new_events(3))
    database = await as_role(store_url, login, "ntbridge_reader")
    try:
        reader = EventStore(database)
        async with reader.subscribe() as subscription:
            assert len((await anext(subscription.batches())).events) == 3
        assert await database.fetchval("SELECT count(*) FROM event_documents") == 3
        with pytest.raises(NotAdmitted, match="permission denied"):
            await reader.append("a-1", new_events(1))
    finally:
        await database.close()


async def test_the_owner_s_role_owns_and_nobody_logs_in_as_it(
    store_url: str, login: str, database: Database
) -> None:
    del login
    await make_roles(store_url)
    assert await database.fetchval(
        "SELECT tableowner FROM pg_tables WHERE tablename = 'events'"
    ) == ("ntbridge_owner")
    assert not await database.fetchval(
        "SELECT bool_or(rolcanlogin) FROM pg_roles WHERE rolname LIKE 'ntbridge\\_%'"
    )
    assert await migrate(store_url) == []


FAULTS = [
    ("stream", "''"),
    ("version", "0"),
    ("type", "''"),
    ("digest", "'\\x00'"),
    ("envelope", "'[]'"),
    ("stream", "repeat('s', 2001)"),
]


async def test_the_database_itself_checks_what_a_row_holds(database: Database) -> None:
    names = COLUMNS.split(", ")
    for column, value in FAULTS:
        values = dict(zip(names, VALUES.split(", "), strict=True)) | {column: value}
        given = ", ".join(values[name] for name in names)
        with pytest.raises(StatementFailed) as refused:
            await database.execute(f"INSERT INTO events ({COLUMNS}) VALUES ({given})")
        assert refused.value.sqlstate == "23514", column


async def test_a_version_or_an_event_cannot_be_there_twice(database: Database) -> None:
    await database.execute(f"INSERT INTO events ({COLUMNS}) VALUES ({VALUES})")
    with pytest.raises(StatementFailed, match="events_stream_version_key"):
        await database.execute(f"INSERT INTO events ({COLUMNS}) VALUES ({VALUES})")
    taken = "6d1b3a52-6f0f-5a53-9f0b-0e6c5f6f7a10"  # a random one may hold "f-1"
    again = VALUES.replace("gen_random_uuid()", f"'{taken}'", 1)
    await database.execute(
        f"INSERT INTO events ({COLUMNS}) VALUES ({again.replace('f-1', 'g-1')})"
    )
    with pytest.raises(StatementFailed, match="events_uid_key"):
        await database.execute(
            f"INSERT INTO events ({COLUMNS}) VALUES ({again.replace('f-1', 'h-1')})"
        )


async def test_always_triggers_are_what_guards_the_log(database: Database) -> None:
    enabled = await database.fetch(
        "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'events'::regclass"
    )
    assert {row["tgenabled"] for row in enabled} == {b"A"}
    assert isinstance(enabled[0], asyncpg.Record)
