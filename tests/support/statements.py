"""The statements that a piece of code runs in this process, running them again by hand, and what they read."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from eventstore.connection import Connection

Statement = tuple[str, tuple[object, ...]]

PLANNINGS = 7
"""Executions of a statement after which a session may have a plan for any arguments."""

_METHODS = ("fetch", "fetchrow", "fetchval", "execute", "fetch_planned")


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Record the statements that all databases of this process run, with their arguments."""
    found: list[Statement] = []
    plain = {name: getattr(Connection, name) for name in _METHODS}
    for name, method in plain.items():
        setattr(Connection, name, _recording(method, found))
    try:
        yield found
    finally:
        for name, method in plain.items():
            setattr(Connection, name, method)


async def by_hand(
    connection: "asyncpg.Connection[asyncpg.Record]", statements: list[Statement]
) -> float:
    """Run statements one after the other, as with psql; return the milliseconds."""
    began = time.perf_counter()
    for sql, arguments in statements:
        # Planned for its arguments, like a statement with its values written into it.
        prepared = await connection.prepare(sql)
        await prepared.fetch(*arguments)
    return 1000 * (time.perf_counter() - began)


async def rows_read(connection: Connection, table: str) -> int:
    """Return how many rows of a table this session has read: call it before and after, in one transaction."""
    return int(
        await connection.fetchval(
            "select coalesce(sum(seq_tup_read + idx_tup_fetch), 0) from pg_stat_xact_user_tables where relname = $1",
            table,
        )
    )


def _recording(
    method: Callable[..., Awaitable[Any]], found: list[Statement]
) -> Callable[..., Awaitable[Any]]:
    async def run(
        connection: Connection, sql: str, *arguments: object, **options: object
    ) -> Any:
        found.append((sql, arguments))
        return await method(connection, sql, *arguments, **options)

    return run
