"""`ntbridge migrate`: what it prints, and roles by which the daemon can do its work and no more."""

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import temporalio.client
from nats.aio.client import Client
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)

from bridge.cli import exits
from bridge.sql.storage import COMPONENTS
from eventstore.migrate import migrations_of
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge, running
from tests.support.databases import database, execute, name_of
from tests.support.fixtures import client
from tests.support.load import Load
from tests.support.outages import own_temporal

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
    assert "GRANT INSERT ON dead_letter_history, audit TO ntbridge_app" in done.out


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


async def test_a_search_attribute_of_another_type_is_named_with_what_to_do(
    bridge: Bridge, tmp_path: Path
) -> None:
    start = {"workflow": "W", "task_queue": "q", "search_attributes": {"Customer": "data.name"}}
    routes = [{"name": "named", "from": "events.named", "start": start}]
    bridge.routes_file.write_text(json.dumps({"routes": routes}))
    async with own_temporal(tmp_path) as server:
        operator = (await temporalio.client.Client.connect(server.address)).operator_service
        await operator.remove_search_attributes(
            RemoveSearchAttributesRequest(namespace="default", search_attributes=["EventUid"])
        )
        types = {"EventUid": IndexedValueType.INDEXED_VALUE_TYPE_INT}
        await operator.add_search_attributes(
            AddSearchAttributesRequest(namespace="default", search_attributes=types)
        )
        there = {**bridge.environment, "TEMPORAL_ADDRESS": server.address}
        migrated = await ntbridge("migrate", cwd=bridge.folder, env=there)
        examined = await ntbridge("doctor", cwd=bridge.folder, env=there)
        assert migrated.code == exits.SETTINGS
        assert examined.code != 0
        finding = next(row for row in examined.rows if row["check"] == "search attributes")
        for said in (migrated.err, " ".join(map(str, finding.values()))):
            assert "EventUid is Int" in said
            assert "search-attribute remove --name EventUid" in said

        await operator.remove_search_attributes(
            RemoveSearchAttributesRequest(namespace="default", search_attributes=["EventUid"])
        )
        migrated = await ntbridge("migrate", cwd=bridge.folder, env=there)
        assert migrated.code == 0, migrated.err
        examined = await ntbridge("doctor", cwd=bridge.folder, env=there)
        finding = next(row for row in examined.rows if row["check"] == "search attributes")
        said = " ".join(map(str, finding.values()))
        assert "Customer (route named)" in said
        assert "search-attribute create --name Customer" in said


@pytest.mark.parametrize("schema", ["public", "other"])
async def test_an_owner_without_superuser_migrates_into_a_schema_of_its_choice(
    bridge: Bridge, schema: str
) -> None:
    owner = f"owner_{secrets.token_hex(4)}"
    role = f"CREATE ROLE {owner} LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB PASSWORD '{owner}'"
    await execute(bridge.database_url, role)
    try:
        async with database(bridge.database_url) as empty:
            await execute(empty, f"ALTER DATABASE {name_of(empty)} OWNER TO {owner}")
            parts = urlsplit(empty)
            netloc = f"{owner}:{owner}@{parts.hostname}:{parts.port}"
            url = urlunsplit(parts._replace(netloc=netloc))
            await execute(url, f"CREATE SCHEMA IF NOT EXISTS {schema}")
            chosen = f"{url}&options=-csearch_path%3D{schema}"
            env = {**bridge.environment, "DATABASE_URL": chosen}
            for command in ("migrate", "doctor"):
                done = await ntbridge(command, cwd=bridge.folder, env=env)
                assert done.code == 0, done.err or done.out
            await execute(url, f"SELECT FROM {schema}.events, {schema}.dispatches")
    finally:
        await execute(bridge.database_url, f"DROP ROLE {owner}")
