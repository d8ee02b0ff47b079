"""`ntbridge migrate`: what it prints, and roles by which the daemon can do its work and no more."""

import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from nats.aio.client import Client

from bridge.storage import COMPONENTS
from eventstore.migrate import migrations_of
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge, running
from tests.support.databases import execute
from tests.support.fixtures import client
from tests.support.load import Load

pytestmark = pytest.mark.slow

__all__ = ["client"]


@pytest.fixture
async def app_url(bridge: Bridge) -> AsyncIterator[str]:
    """A login that has nothing but the role of the daemon."""
    name = f"app_{secrets.token_hex(4)}"
    done = await ntbridge("migrate", "--roles", cwd=bridge.folder, env=bridge.environment)
    assert done.code == 0, done.err
    await execute(bridge.database_url, f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    await execute(bridge.database_url, f"GRANT ntbridge_app TO {name}")
    parts = urlsplit(bridge.database_url)
    netloc = f"{name}:{name}@{parts.hostname}:{parts.port}"
    yield urlunsplit(parts._replace(netloc=netloc))
    await execute(bridge.database_url, f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_print_shows_every_migration_and_touches_no_server(bridge: Bridge) -> None:
    nowhere = {**bridge.environment, "DATABASE_URL": "postgresql://x@127.0.0.1:1/x"}
    done = await ntbridge("migrate", "--print", "--roles", cwd=bridge.folder, env=nowhere)
    assert done.code == 0, done.err
    for component in COMPONENTS:
        for migration in migrations_of(component):
            assert migration.sql.strip() in done.out
    assert "GRANT INSERT ON dead_letter_history TO ntbridge_app" in done.out


async def test_the_daemon_needs_no_more_than_its_role(
    bridge: Bridge, client: Client, app_url: str
) -> None:
    load = Load(bridge, 5)
    async with (
        running(bridge.worker(NTBRIDGE_WORKER_MODULES="light", DATABASE_URL=app_url)),
        running(bridge.daemon(DATABASE_URL=app_url)),
    ):
        await load.publish(client)
        await load.assert_all_once()


@pytest.mark.parametrize(
    "forbidden",
    [
        "delete from dead_letters",
        "update dead_letter_history set detail = ''",
        "drop table dispatches",
        "update events set data = ''",
    ],
)
async def test_the_daemons_role_cannot_unmake_what_happened(
    app_url: str, forbidden: str
) -> None:
    connection = await asyncpg.connect(app_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(forbidden)
    finally:
        await connection.close()
