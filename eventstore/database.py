"""A database: a pool of connections, with deadlines for peers that do not answer.

Every statement has a deadline on both sides. The server ends a statement after ``deadline``
seconds, and a transaction whose client sends nothing after twice that, so that a frozen or
disconnected client cannot keep a lock. The client waits a little longer than the server. If that
passes too, the connection is terminated, not closed, because closing would wait for the same peer.

All connections lead to one server, the primary, as `eventstore.session` set and checked them. When
it becomes read-only, or another server takes over, none of the existing connections is lent again.
"""

import logging
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs

from typing_extensions import override

from eventstore.connection import Connection, Row
from eventstore.connector import Connector
from eventstore.pool import Pool, Raw
from eventstore.session import Server

__all__ = ["Connection", "Database", "Row"]

_log = logging.getLogger(__name__)


class _Loan(AbstractAsyncContextManager[Connection]):
    """Lends a connection for a block; a class, for speed: it is entered for every statement."""

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
        if self._connection.is_read_only:
            self._pool.renew()  # the others lead to the same server
        if self._connection.spoiled:
            self._pool.retire(self._connection.raw)
        else:
            self._pool.release(self._connection.raw)


class Database:
    """A pool of connections to one Postgres database.

    Connections are not reset when they return to the pool, which saves a round trip: callers must
    not change session state (``SET LOCAL`` is allowed). A statement that is cancelled or misses its
    deadline costs its connection.
    """

    def __init__(self, dsn: str, *, size: int, deadline: float, application_name: str) -> None:
        self._dsn = dsn
        self._deadline = deadline
        self._name = application_name
        self._connector = Connector(
            dsn, shown=address_in(dsn), deadline=deadline, moved=self._move
        )
        self._pool = Pool(self._connect, size=size, deadline=deadline)
        self._listening: set[Raw] = set()

    @property
    def dsn(self) -> str:
        """The connection string; it may hold a password."""
        return self._dsn

    @property
    def deadline(self) -> float:
        """Seconds after which a statement is ended."""
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
        """Open the pool with one connection; others are opened when needed.

        Args:
            dsn: A Postgres connection string.
            size: The most connections.
            deadline: Seconds for each statement, and for getting a connection.
            application_name: What ``pg_stat_activity`` shows.

        Raises:
            Unavailable: The server cannot be reached within the deadline.
            ReadOnly: No server that the DSN names accepts writes.
            NotAdmitted: It refuses the user, the password or the database's name.
            Unsuitable: The server, the role or a pooler has a property that the store cannot
                work with.
            InvalidDsn: The connection string is wrong.
        """
        database = cls(dsn, size=size, deadline=deadline, application_name=application_name)
        try:
            async with database.connection() as connection:
                await database._connector.require_sessions(connection.raw, application_name)
        except BaseException:
            await database.close()
            raise
        return database

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection; each statement is its own transaction.

        Raises:
            Unavailable: No connection became free or could be opened within the deadline.
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
        """Run one statement and return its rows."""
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
            on_close: Called when the connection ends, for any reason.
        """
        session = await self._connector.connect(f"{self._name}-listen")
        raw = session.raw
        self._listening.add(raw)

        def closed(_: object) -> None:
            self._listening.discard(raw)
            if on_close is not None:
                on_close()

        raw.add_termination_listener(closed)
        return Connection(raw)

    async def close(self) -> None:
        """Close all connections; those that do not end within the deadline are terminated."""
        await self._pool.close()

    @asynccontextmanager
    async def _lend_transaction(self) -> AsyncIterator[Connection]:
        async with _Loan(self._pool) as connection, connection.transaction():
            yield connection

    async def _connect(self) -> Raw:
        return (await self._connector.connect(self._name)).raw

    def _move(self, server: Server) -> None:
        """Drop all connections to the previous server after another one has answered."""
        _log.warning(
            "another database server answers: %s, timeline %s, started %s",
            server.address,
            server.timeline,
            server.started,
        )
        self._pool.renew()
        for raw in list(self._listening):
            raw.terminate()


def address_in(dsn: str) -> str:
    """Return only the hosts and ports that a connection string names."""
    authority, *_ = re.split(r"[/?#]", dsn.partition("://")[2], maxsplit=1)
    if "@" in dsn and "@" not in authority:
        return "the given address"  # an unquoted password may be in the host's place
    named = parse_qs(dsn.partition("?")[2])
    hosts = authority.rpartition("@")[2] or ",".join(named.get("host", []))
    port = ",".join(named.get("port", [os.environ.get("PGPORT", "5432")]))
    shown = hosts or os.environ.get("PGHOST", "this machine")
    return shown if re.search(r":\d+$", shown) else f"{shown}:{port}"
