"""A database: connections that are kept, lent, and given up when their peer is silent.

Every statement has a deadline on both sides. The server ends a statement after ``deadline``
seconds, and a transaction whose client has gone silent after twice that, so that a frozen or
cut-off client keeps no lock for ever. The client waits a little longer than the server; when
that passes too, the peer is a black hole: the connection is terminated, not closed, because
closing would wait for the same silence.
"""

import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

import asyncpg
from typing_extensions import override

from eventstore.connection import Connection, Row
from eventstore.pool import Pool, Raw
from eventstore.translation import translate_connecting

__all__ = ["Connection", "Database", "Row"]

_GRACE = 1.5
"""How much longer the client waits than the server (factor), so that the server speaks first."""


class _Loan(AbstractAsyncContextManager[Connection]):
    """Lends a connection for a block; a class because it is entered for every statement."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None

    @override
    async def __aenter__(self) -> Connection:
        self._connection = Connection(await self._pool.acquire())
        return self._connection

    @override
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._connection is None:
            return
        if self._connection.spoiled:
            self._pool.retire(self._connection.raw)
        else:
            self._pool.release(self._connection.raw)


class Database:
    """A pool of connections to one Postgres database.

    Nothing of a session survives a connection's return to the pool by contract, not by a
    reset: callers set nothing for a session (``SET LOCAL`` is fine), and a round trip is saved.
    A statement that is cancelled, or misses its deadline, costs its connection.
    """

    def __init__(self, dsn: str, *, size: int, deadline: float, application_name: str) -> None:
        self._dsn = dsn
        self._deadline = deadline
        self._name = application_name
        self._pool = Pool(self._connect, size=size, deadline=deadline)

    @property
    def dsn(self) -> str:
        """The connection string; it may hold a password."""
        return self._dsn

    @property
    def deadline(self) -> float:
        """Seconds after which a statement is given up."""
        return self._deadline

    @classmethod
    async def connect(
        cls,
        dsn: str,
        *,
        size: int = 10,
        deadline: float = 10.0,
        application_name: str = "eventstore",
    ) -> Self:
        """Open the pool with one connection; the others follow as they are needed.

        Args:
            dsn: A Postgres connection string.
            size: How many connections there may be at most.
            deadline: Seconds for any one statement, and for getting a connection.
            application_name: What ``pg_stat_activity`` shows.

        Raises:
            Unavailable: The server cannot be reached within the deadline.
            NotAdmitted: It refuses the user, the password or the database's name.
        """
        database = cls(dsn, size=size, deadline=deadline, application_name=application_name)
        async with database.connection():
            return database

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection; each statement commits by itself.

        Raises:
            Unavailable: None came free, or could be made, within the deadline.
        """
        return _Loan(self._pool)

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection inside a READ COMMITTED transaction.

        Committed when the block ends, rolled back when it raises.

        Raises:
            Unavailable: The server was lost; ``ambiguous`` if that was during the commit.
        """
        return self._lend_transaction()

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        """Run one statement on a connection of its own and return its rows."""
        async with _Loan(self._pool) as connection:
            return await connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object) -> Row | None:
        """Run one statement and return its first row, None if there is none."""
        async with _Loan(self._pool) as connection:
            return await connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """Run one statement and return the first column of its first row."""
        async with _Loan(self._pool) as connection:
            return await connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        """Run one statement and return the command tag."""
        async with _Loan(self._pool) as connection:
            return await connection.execute(sql, *args)

    async def open(self, *, on_close: Callable[[], None] | None = None) -> Connection:
        """Open a connection outside the pool, for LISTEN; the caller terminates it.

        Args:
            on_close: Called when the connection ends, for whatever reason.
        """
        raw = await self._connect(f"{self._name}-listen")
        if on_close is not None:
            raw.add_termination_listener(lambda _: on_close())
        return Connection(raw)

    async def close(self) -> None:
        """Close all connections; those that do not end within the deadline are terminated."""
        await self._pool.close()

    @asynccontextmanager
    async def _lend_transaction(self) -> AsyncIterator[Connection]:
        async with _Loan(self._pool) as connection, connection.transaction():
            yield connection

    async def _connect(self, application_name: str | None = None) -> Raw:
        milliseconds = round(self._deadline * 1000)
        try:
            return await asyncpg.connect(
                self._dsn,
                timeout=self._deadline,
                command_timeout=self._deadline * _GRACE,
                server_settings={
                    "application_name": application_name or self._name,
                    "statement_timeout": str(milliseconds),
                    "idle_in_transaction_session_timeout": str(2 * milliseconds),
                    "timezone": "UTC",
                    "jit": "off",
                },
            )
        except Exception as error:
            raise translate_connecting(error, address_in(self._dsn)) from error


def address_in(dsn: str) -> str:
    """Return the hosts and ports a connection string names, and nothing else of it."""
    authority, *_ = re.split(r"[/?#]", dsn.partition("://")[2], maxsplit=1)
    if "@" in dsn and "@" not in authority:
        return (
            "the given address"  # a password that should have been quoted may be in its place
        )
    named = parse_qs(dsn.partition("?")[2])
    hosts = authority.rpartition("@")[2] or ",".join(named.get("host", []))
    port = ",".join(named.get("port", [os.environ.get("PGPORT", "5432")]))
    shown = hosts or os.environ.get("PGHOST", "this machine")
    return shown if re.search(r":\d+$", shown) else f"{shown}:{port}"
