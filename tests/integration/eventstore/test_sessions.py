"""Sessions are set and checked: what a server, database or role has as defaults changes nothing."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from eventstore.connection import Connection
from eventstore.database import Database
from eventstore.errors import (
    Deposed,
    InvalidDsn,
    NotAdmitted,
    ReadOnly,
    StatementFailed,
    Unavailable,
    Unsuitable,
)
from eventstore.filters import Filter
from eventstore.leases import Leases
from eventstore.migrate import migrate
from eventstore.paging import END, fetch, walk_for
from eventstore.session import SETTINGS
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints
from tests.support import databases
from tests.support.databases import execute, name_of
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_event, new_events

HOSTILE = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "bytea_output": "escape",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "row_security": "on",
    "lock_timeout": "1ms",
    "transaction_timeout": "1min",
    "idle_session_timeout": "1min",
    "statement_timeout": "1min",
    "idle_in_transaction_session_timeout": "1ms",
    "jit": "on",
    "plan_cache_mode": "force_custom_plan",
    "enable_indexscan": "off",
    "synchronous_commit": "off",
}


async def set_database(url: str, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        await execute(url, f"ALTER DATABASE {name_of(url)} SET {name} = '{value}'")


@pytest.fixture
async def hostile(store_url: str) -> AsyncIterator[Database]:
    """A database whose defaults are as far from what is needed as they can be."""
    await set_database(store_url, HOSTILE)
    database = await Database.connect(store_url)
    yield database
    await database.close()


def test_every_setting_has_its_counterpart_here() -> None:
    assert SETTINGS.keys() <= HOSTILE.keys()


async def test_a_session_has_our_settings_whatever_the_database_says(
    hostile: Database, store_url: str
) -> None:
    wanted = SETTINGS | {
        "statement_timeout": "10000",
        "idle_in_transaction_session_timeout": "20000",
        "enable_indexscan": "on",
        "synchronous_commit": "on",
    }
    rows = await hostile.fetch(
        "SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[])", list(wanted)
    )
    assert {row["name"]: row["setting"] for row in rows} == wanted
    listening = await hostile.open()
    assert await listening.fetchval("SHOW default_transaction_isolation") == "read committed"
    listening.terminate()
    other = await asyncpg.connect(store_url)
    assert await other.fetchval("SHOW default_transaction_isolation") == "serializable"
    await other.close()


async def test_stricter_durability_is_left_as_it_is(store_url: str) -> None:
    await set_database(store_url, {"synchronous_commit": "remote_apply"})
    database = await Database.connect(store_url)
    assert await database.fetchval("SHOW synchronous_commit") == "remote_apply"
    await database.close()


async def test_a_deposed_owner_cannot_commit_on_any_default_isolation(
    hostile: Database,
) -> None:
    leases = Leases(hostile)
    held = await leases.acquire("one", "me", ttl=0.01)
    assert held is not None

    async def write(connection: Connection) -> None:
        await connection.fetchval(
            "SELECT count(*) FROM leases"
        )  # a snapshot, were it repeatable
        await leases.depose("one", "other", ttl=60)
        await Checkpoints(hostile).save("c", 1, held, connection)

    with pytest.raises(Deposed):
        async with hostile.transaction() as connection:
            await write(connection)


async def test_appends_at_once_do_not_fail_on_any_default_isolation(hostile: Database) -> None:
    stores = [EventStore(hostile) for _ in range(4)]
    await asyncio.gather(
        *[
            store.append(f"s-{n % 3}", [new_event(f"{number}-{n}")])
            for number, store in enumerate(stores)
            for n in range(30)
        ]
    )
    assert await stores[0].count() == 120
    for store in stores:
        await store.aclose()


@pytest.mark.parametrize("fmt", ["text", "csv"])
async def test_an_export_is_the_same_whatever_the_database_says(
    store: EventStore, store_url: str, fmt: str
) -> None:
    await store.append("a-1", [new_event("binary"), *new_events(3)])

    async def exported(url: str) -> bytes:
        database = await Database.connect(url)
        chunks: list[bytes] = []

        async def sink(chunk: bytes) -> None:
            chunks.append(chunk)

        await EventStore(database).export(sink, fmt=fmt)  # type: ignore[arg-type]
        await database.close()
        return b"".join(chunks)

    before = await exported(store_url)
    await set_database(store_url, HOSTILE)
    assert await exported(store_url) == before


async def test_an_encoding_other_than_utf8_is_refused_by_name(database_url: str) -> None:
    name = f"{name_of(database_url)}_latin1"
    await execute(
        database_url, f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    )
    try:
        with pytest.raises(Unsuitable, match=r"its encoding is LATIN1.*ENCODING 'UTF8'"):
            await Database.connect(databases.with_database(database_url, name))
    finally:
        await execute(database_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("setting", "value", "kind", "words"),
    [
        ("session_replication_role", "replica", Unsuitable, "session_replication_role"),
        ("search_path", "nowhere", Unsuitable, "search_path"),
        ("default_transaction_read_only", "on", ReadOnly, "default_transaction_read_only"),
    ],
)
async def test_what_a_session_does_not_change_is_refused_by_name(
    database_url: str, setting: str, value: str, kind: type[Exception], words: str
) -> None:
    await set_database(database_url, {setting: value})
    with pytest.raises(kind, match=words):
        await Database.connect(database_url)


async def test_rows_hidden_by_a_policy_are_an_error(
    store: EventStore, database: Database, store_url: str
) -> None:
    await store.append("a-1", new_events(1))
    role = f"{name_of(store_url)}_reader"
    await database.execute(f"CREATE ROLE {role}")
    try:
        await database.execute(f"GRANT SELECT ON events TO {role}")
        await database.execute("ALTER TABLE events ENABLE ROW LEVEL SECURITY")
        async with database.transaction() as connection:
            await connection.execute(f"SET LOCAL ROLE {role}")
            with pytest.raises((NotAdmitted, StatementFailed), match="row-level security"):
                await connection.fetchval("SELECT count(*) FROM events")
    finally:
        await database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_the_store_s_schema_comes_first_and_another_program_s_names_are_not_used(
    database_url: str,
) -> None:
    for statement in (
        "CREATE SCHEMA theirs",
        "CREATE SCHEMA ours",
        "CREATE TABLE theirs.events (id int)",
        "CREATE TABLE theirs.leases (id int)",
        "CREATE TABLE theirs.schema_migrations (version text)",
        "CREATE FUNCTION theirs.events_channel() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$",
    ):
        await execute(database_url, statement)
    await migrate(f"{database_url}&search_path=ours")
    await execute(
        database_url,
        f"ALTER DATABASE {name_of(database_url)} SET search_path = theirs, pg_catalog, ours",
    )
    database = await Database.connect(database_url)
    assert await database.fetchval("SHOW search_path") == "ours, theirs, pg_temp"
    store = EventStore(database)
    await store.append("a-1", new_events(2))
    assert await store.count() == 2
    assert await migrate(database_url) == []
    await store.aclose()
    await database.close()


async def test_a_page_is_read_on_the_server_of_the_fence_alone(
    store: EventStore, database: Database
) -> None:
    await store.append("a-1", new_events(2))
    for where in (Filter(), Filter(stream="a-1"), Filter(type="x"), Filter(type_prefix="x")):
        walk = walk_for(where, "forward")
        here = await database.fetchval("SELECT server FROM fence_mark()")
        await fetch(database, walk, 0, END, 10, here)
        other = await database.fetchval("SELECT server + interval '1 us' FROM fence_mark()")
        with pytest.raises(Unavailable, match="is not the one whose locks were read"):
            await fetch(database, walk, 0, END, 10, other)


async def test_a_wrong_connection_string_is_said_before_anything_is_asked(
    database_url: str,
) -> None:
    with pytest.raises(InvalidDsn, match="pool_size"):
        await Database.connect(f"{database_url}&pool_size=3")
    with pytest.raises(InvalidDsn, match="root certificate"):
        await Database.connect(
            database_url.replace("sslmode=disable", "sslmode=verify-full&sslrootcert=")
        )


async def test_the_name_of_the_connection_string_wins(database_url: str) -> None:
    database = await Database.connect(
        f"{database_url}&application_name=theirs&connect_timeout=5&keepalives=1&pool_mode=session"
    )
    assert await database.fetchval("SHOW application_name") == "theirs"
    await database.close()


async def test_the_first_host_that_takes_writes_is_found_past_dead_ones(
    database_url: str,
) -> None:
    authority = database_url.partition("@")[2].partition("/")[0]
    database = await Database.connect(
        database_url.replace(authority, f"127.0.0.1:1,{authority}")
    )
    assert await database.fetchval("SELECT 1") == 1
    await database.close()
    with pytest.raises(Unavailable, match=r"127.0.0.1:1 .*; .*127.0.0.1:2 "):
        await Database.connect(database_url.replace(authority, "127.0.0.1:1,127.0.0.1:2"))


async def test_a_pool_lives_on_one_host_while_the_other_is_missing(store_url: str) -> None:
    authority = store_url.partition("@")[2].partition("/")[0]
    for hosts in (f"{authority},127.0.0.1:1", f"127.0.0.1:1,{authority}"):
        database = await Database.connect(store_url.replace(authority, hosts), size=3)
        store = EventStore(database)
        before = await store.head()
        await store.append("a-1", new_events(1))
        # Lost connections are replaced; the pool may hand out those that were ended first.
        await execute(
            store_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

        async def replaced(store: EventStore = store) -> int:
            return await store.head()

        assert await eventually(replaced, within=30, forgive=(Unavailable,)) == before + 1
        await store.append("a-1", new_events(1))
        await database.close()
