"""A login that may only read cannot stop those who write, whatever locks it takes."""

import asyncpg
import pytest

from eventstore.database import Database
from eventstore.leases import Leases
from eventstore.store import EventStore
from tests.integration.eventstore.test_immutability import as_role, login
from tests.unit.eventstore.builders import new_events

__all__ = ["login"]

TABLE_LOCKS = [
    f"DO $$ BEGIN LOCK TABLE {table} IN {mode} MODE; END $$"
    for table in ("events", "leases", "checkpoints")
    for mode in ("ROW SHARE", "ROW EXCLUSIVE", "SHARE", "EXCLUSIVE", "ACCESS EXCLUSIVE")
]
ROW_LOCKS = [
    f"SELECT * FROM {table} FOR {strength}"
    for table in ("events", "leases", "checkpoints")
    for strength in ("KEY SHARE", "SHARE", "NO KEY UPDATE", "UPDATE")
]


@pytest.mark.parametrize("role", ["ntbridge_reader", "ntbridge_worker"])
async def test_a_reader_can_stop_neither_leases_nor_appends(
    store: EventStore, database: Database, store_url: str, login: str, role: str
) -> None:
    leases = Leases(database)
    await store.append("a-1", new_events(1))
    held = await leases.acquire("relay", "me", 60)
    assert held is not None
    attacker = await as_role(store_url, login, role)
    try:
        async with attacker.connection() as hostile:
            for statement in (*TABLE_LOCKS, *ROW_LOCKS):
                with pytest.raises(Exception, match="permission denied"):
                    await hostile.execute(statement)
            async with database.transaction() as connection:
                await held.assert_held(connection)
                # Every lock that a fenced write shows to all, and those of the streams.
                seen = await hostile.fetch(
                    "SELECT classid::bigint::bit(32)::int AS class, objid::bigint::bit(32)::int AS object"
                    " FROM pg_locks WHERE locktype = 'advisory'"
                )
            keys = [(row["class"], row["object"]) for row in seen]
            for stream in ("a-1", "b-1"):
                row = await hostile.fetchrow(
                    "SELECT 'events'::regclass::oid::bigint::bit(32)::integer, hashtext($1)",
                    stream,
                )
                assert isinstance(row, asyncpg.Record)
                keys.append((row[0], row[1]))
            for key in keys:
                await hostile.execute("SELECT pg_advisory_lock($1, $2)", *key)
            try:
                await held.renew()
                async with database.transaction() as connection:
                    await held.assert_held(connection)
                await held.release()
                assert await leases.acquire("relay", "another", 60) is not None
                # One event, and several to two streams at once.
                await store.append("a-1", new_events(1))
                await store.append("a-1", new_events(3))
                await store.append("b-1", new_events(2))
                assert await store.count() == 7
            finally:
                await hostile.execute("SELECT pg_advisory_unlock_all()")
    finally:
        await attacker.close()
