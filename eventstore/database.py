"""The one place that knows the driver: connections, deadlines, and whose error it was.

Every statement has a deadline on both sides. The server ends a statement after ``deadline``
seconds, and a transaction whose client has gone silent after twice that, so that a frozen or
cut-off client keeps no lock for ever. The client waits a little longer than the server; when
that passes too, the peer is a black hole: the connection is terminated, not closed, because
closing would wait for the same silence.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Literal, NoReturn, Self

import asyncpg
from asyncpg.transaction import Transaction
from typing_extensions import override

from eventstore.pool import Pool, Raw
from eventstore.translation import translate

Row = asyncpg.Record

_GRACE = 1.5
"""How much longer the client waits than the server (factor), so that the server speaks first."""


_NO_DEADLINE = 7 * 24 * 3600.0
"""Seconds; the driver reads None as its default."""


class Connection:
    """One connection to the database, lent by `Database.connection` or `.transaction`.

    Its errors are those of `eventstore.errors`.

    Attributes:
        spoiled: Whether a statement was left in the middle (cancelled, or its deadline missed),
            so that the connection is of no use any more.
    """

    __slots__ = ("_raw", "spoiled")

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self.spoiled = False

    @property
    def raw(self) -> Raw:
        """The driver's connection, for what is not offered here."""
        return self._raw

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        """Run a statement and return its rows."""
        try:
            return await self._raw.fetch(sql, *args)
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)

    async def fetchrow(self, sql: str, *args: object) -> Row | None:
        """Run a statement and return its first row, None if there is none."""
        try:
            return await self._raw.fetchrow(sql, *args)
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """Run a statement and return the first column of its first row."""
        try:
            return await self._raw.fetchval(sql, *args)
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)

    async def execute(self, sql: str, *args: object) -> str:
        """Run a statement (several, when there are no arguments); return the command tag."""
        try:
            return await self._raw.execute(sql, *args)
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a statement once for every row of arguments, all or nothing."""
        try:
            await self._raw.executemany(sql, rows)
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)

    async def fetch_planned(self, sql: str, *args: object) -> list[Row]:
        """Like `fetch`, planned for these very arguments.

        A cached statement may be given a plan for any arguments; where a filter's absence
        decides which index serves, that plan would be a bad one. Costs one more round trip.
        """
        try:
            statement = await self._raw.prepare(sql)
            return await statement.fetch(*args)
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)

    async def copy_out(
        self,
        sql: str,
        *args: object,
        output: Callable[[bytes], Awaitable[None]],
        fmt: Literal["csv", "text", "binary"],
    ) -> int:
        """Stream a query's rows by COPY; return how many. Has no deadline of its own."""
        refused: BaseException | None = None

        async def write(chunk: bytes) -> None:
            nonlocal refused
            try:
                await output(chunk)
            except BaseException as error:
                refused = error
                raise

        try:
            tag = await self._raw.copy_from_query(
                sql, *args, output=write, format=fmt, timeout=_NO_DEADLINE
            )
        except BaseException as error:
            if error is refused:
                self.spoiled = True
                raise
            self._fail(error)
        return int(tag.rpartition(" ")[2])

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Self]:
        """Run the block in a transaction, or in a savepoint when there is one already."""
        nested = self._raw.is_in_transaction()
        block = self._raw.transaction()
        try:
            await block.start()
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)
        try:
            yield self
        except BaseException:
            await self._roll_back(block)
            raise
        try:
            await block.commit()
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error, commit=not nested)

    def terminate(self) -> None:
        """End the connection at once, without a word to the server."""
        self._raw.terminate()

    async def _roll_back(self, block: Transaction) -> None:
        if self.spoiled:
            return  # the server rolls back when the connection ends
        try:
            await block.rollback()
        except Exception:  # noqa: BLE001 - the error that led here is the one to raise
            self._raw.terminate()

    def _fail(self, error: BaseException, *, commit: bool = False) -> NoReturn:
        """Raise what an error of the driver means; end a connection that is in mid-statement."""
        ambiguous = commit or self._raw.is_closed() or not self._raw.is_in_transaction()
        if not isinstance(error, Exception) or isinstance(error, TimeoutError):
            self.spoiled = True
            if not isinstance(error, Exception):
                raise error
        raise translate(error, ambiguous=ambiguous) from error


class _Loan(AbstractAsyncContextManager[Connection]):
    """Lends a connection for a block; a class because it is entered for every statement."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Connection | None = None

    @override
    async def __aenter__(self) -> Connection:
        try:
            self._connection = Connection(await self._pool.acquire())
        except Exception as error:
            raise translate(error, ambiguous=False) from error
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
        try:
            raw = await self._connect(f"{self._name}-listen")
        except Exception as error:
            raise translate(error, ambiguous=False) from error
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
