"""What the fixtures that other tests build on promise."""

import os

import asyncpg
import nats
import pytest

from bridge.devstack.addresses import Addresses
from bridge.devstack.environment import foreign_settings
from tests.support.servers import external
from tests.support.streams import delete_streams


async def tables(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
    finally:
        await connection.close()
    return [row["tablename"] for row in rows]


async def test_a_fresh_database_is_empty(database_url: str) -> None:
    assert await tables(database_url) == []


async def test_a_migrated_database_has_the_tables(
    migrated_database_url: str, database_url: str
) -> None:
    assert "events" in await tables(migrated_database_url)
    assert migrated_database_url != database_url


async def test_streams_of_the_prefix_are_deleted_and_no_others(
    stack: Addresses, prefix: str
) -> None:
    client = await nats.connect(stack.nats_url)
    js = client.jetstream()
    for name in (f"{prefix}-EVENTS", f"{prefix}-RESULTS", f"{prefix}other"):
        await js.add_stream(name=name, subjects=[f"{name}.>"])
    try:
        await delete_streams(stack.nats_url, prefix)
        left = {info.config.name or "" for info in await js.streams_info()}
        assert {name for name in left if name.startswith(prefix)} == {f"{prefix}other"}
    finally:
        await js.delete_stream(f"{prefix}other")
        await client.close()


def test_no_setting_of_ours_is_exported() -> None:
    assert foreign_settings(os.environ) == []


def test_external_servers_are_named_by_variables_made_for_this_alone() -> None:
    named = {
        "NTBRIDGE_TEST_NATS_URL": "nats://there:4222",
        "NTBRIDGE_TEST_TEMPORAL_ADDRESS": "there:7233",
        "NTBRIDGE_TEST_DATABASE_URL": "postgresql://there/tests",
    }
    addresses = external({**named, "NATS_URL": "nats://elsewhere:4222"})
    assert (addresses.nats_url, addresses.temporal_address, addresses.database_url) == tuple(
        named.values()
    )
    for missing in named:
        others = {name: value for name, value in named.items() if name != missing}
        with pytest.raises(pytest.UsageError, match=missing):
            external(others)
