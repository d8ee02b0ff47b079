"""What the fixtures that other tests build on promise."""

import os

import asyncpg
import nats

from bridge.devstack.addresses import Addresses
from bridge.devstack.environment import foreign_settings


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


async def test_streams_of_the_prefix_are_deleted(stack: Addresses, prefix: str) -> None:
    client = await nats.connect(stack.nats_url)
    await client.jetstream().add_stream(name=f"{prefix}-EVENTS", subjects=[f"{prefix}.>"])
    await client.close()


def test_no_setting_of_ours_is_exported() -> None:
    assert foreign_settings(os.environ) == []
