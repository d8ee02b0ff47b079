"""Postgres lets the daemon in no more while it runs: it waits, says why, and recovers."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

import pytest

from bridge.sql.storage import COMPONENTS
from eventstore.migrate import make_roles
from tests.support import pages
from tests.support.daemon import Bridge
from tests.support.databases import execute, name_of
from tests.support.failures import daemon_of, not_ready, ready, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass(frozen=True)
class Lockout:
    """How an administrator locks a running daemon out, and lets it in again.

    Attributes:
        lock: The statements that do it; `{role}` and `{database}` are the daemon's.
        admit: The statements that undo it.
        says: A part of what `/readyz` says meanwhile.
    """

    lock: tuple[str, ...]
    admit: tuple[str, ...]
    says: str


LOCKOUTS = {
    "password rotated (28P01)": Lockout(
        ("ALTER ROLE {role} PASSWORD 'another'",),
        ("ALTER ROLE {role} PASSWORD 'first'",),
        "password authentication failed",
    ),
    "login revoked (28000)": Lockout(
        ("ALTER ROLE {role} NOLOGIN",),
        ("ALTER ROLE {role} LOGIN",),
        "is not permitted to log in",
    ),
    "allow_connections false (55000)": Lockout(
        ("ALTER DATABASE {database} ALLOW_CONNECTIONS false",),
        ("ALTER DATABASE {database} ALLOW_CONNECTIONS true",),
        "accepts no connections",
    ),
    "database renamed (3D000)": Lockout(
        ("ALTER DATABASE {database} RENAME TO {database}_away",),
        ("ALTER DATABASE {database}_away RENAME TO {database}",),
        "does not exist",
    ),
    "connections used up (53300)": Lockout(
        ("ALTER ROLE {role} CONNECTION LIMIT 0",),
        ("ALTER ROLE {role} CONNECTION LIMIT -1",),
        "too many connections",
    ),
    "grants revoked (42501)": Lockout(
        ("REVOKE ntbridge_app FROM {role}",),
        ("GRANT ntbridge_app TO {role}",),
        "permission denied",
    ),
}


@asynccontextmanager
async def own_role(bridge: Bridge) -> AsyncIterator[tuple[str, Bridge]]:
    """Give the daemon a login role of its own."""
    role = f"daemon_{secrets.token_hex(4)}"
    server = bridge.addresses.database_url
    await make_roles(bridge.database_url, COMPONENTS)
    await execute(server, f"CREATE ROLE {role} LOGIN PASSWORD 'first' IN ROLE ntbridge_app")
    try:
        parts = urlsplit(bridge.database_url)
        netloc = f"{role}:first@{parts.netloc.rpartition('@')[2]}"
        url = urlunsplit(parts._replace(netloc=netloc))
        yield role, replace(bridge, database_url=url)
    finally:
        await execute(server, f"DROP ROLE {role}")


async def test_a_daemon_that_is_locked_out_waits_says_so_and_recovers(bridge: Bridge) -> None:
    server = bridge.addresses.database_url
    async with own_role(bridge) as (role, own):
        database = name_of(own.database_url)
        daemon = daemon_of(own, "locked-out")
        async with started(daemon):
            url = await pages.url_of(daemon.command.log)
            for name, lockout in LOCKOUTS.items():
                await ready(url)
                end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
                for statement in lockout.lock:
                    if "RENAME" in statement:
                        await execute(server, f"ALTER ROLE {role} NOLOGIN")
                        await execute(server, end)
                    await execute(server, statement.format(role=role, database=database))
                    if "RENAME" in statement:
                        await execute(server, f"ALTER ROLE {role} LOGIN")
                await execute(server, end)
                await not_ready(url, "postgres", lockout.says)
                assert daemon.running, name
                for statement in lockout.admit:
                    await execute(server, statement.format(role=role, database=database))
            await ready(url)
            assert daemon.running
