"""A connection: statements, transactions, and the translation of the driver's errors."""

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import Any, Literal, NoReturn, Self

import asyncpg
from asyncpg.transaction import Transaction

from eventstore.driver_errors import READ_ONLY, translate
from eventstore.pool import Raw

Row = asyncpg.Record

_NO_DEADLINE = 7 * 24 * 3600.0
"""Seconds; the driver reads None as its default."""


class Connection:
    """One connection to the database, lent by `Database.connection` or `.transaction`.

    It raises the errors of `eventstore.errors`.

    Attributes:
        spoiled: Whether a statement was interrupted (cancelled, or its deadline missed), so that
            the connection cannot be used any more.
        is_read_only: Whether the server has refused a write because it is read-only.
    """

    __slots__ = ("_raw", "is_read_only", "spoiled")

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self.spoiled = False
        self.is_read_only = False

    @property
    def raw(self) -> Raw:
        """The driver's connection, for features that this class lacks."""
        return self._raw

    @property
    def is_in_transaction(self) -> bool:
        """Whether a transaction is open; if not, each statement commits on its own."""
        return self._raw.is_in_transaction()

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

    async def fetch_planned(
        self, sql: str, *args: object, prepared: Callable[[], None] = lambda: None
    ) -> list[Row]:
        """Like `fetch`, with a plan for these arguments.

        A cached statement may get a generic plan, which is bad where the absence of a filter
        decides which index to use. Costs one more round trip, after which ``prepared`` is called:
        the statement is sent before anything else runs.
        """
        try:
            # Without a name, so that the next one replaces it: the server keeps one, not all of them.
            statement = await self._raw.prepare(sql, name="")
            prepared()
            return await statement.fetch(*args)
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)

    async def run_unhurried(self, sql: str) -> None:
        """Run one statement that allows no transaction and may take for hours. There is no deadline.

        The connection's statements have no deadline on the server from now on: close it afterwards.
        """
        try:
            await self._raw.execute("SET statement_timeout = 0")
            # As a prepared statement: the text cannot bring a second one.
            await self._raw.fetch(sql, timeout=_NO_DEADLINE)
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)

    async def copy_out(
        self,
        sql: str,
        *args: object,
        output: Callable[[bytes], Awaitable[None]],
        fmt: Literal["csv", "text", "binary"],
    ) -> int:
        """Stream a query's rows by COPY; return how many. There is no deadline."""
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

    async def copy_in(
        self, table: str, source: AsyncIterable[bytes], columns: Sequence[str]
    ) -> int:
        """Fill a table from a COPY stream in text format; return how many rows. There is no deadline."""
        try:
            tag = await self._raw.copy_to_table(
                table, source=source, columns=columns, format="text", timeout=_NO_DEADLINE
            )
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)
        return int(tag.rpartition(" ")[2])

    async def listen(self, channel: str, heard: Callable[[str], None]) -> None:
        """Call ``heard`` with each notification's payload until the connection ends."""
        try:
            await self._raw.add_listener(channel, lambda *notice: heard(str(notice[-1])))
        except BaseException as error:  # noqa: BLE001 - it always raises
            self._fail(error)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Self]:
        """Run the block in a transaction, or in a savepoint if a transaction is open."""
        nested = self._raw.is_in_transaction()
        block = self._raw.transaction(isolation=None if nested else "read_committed")
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
        """End the connection at once, without informing the server."""
        self._raw.terminate()

    async def _roll_back(self, block: Transaction) -> None:
        if self.spoiled:
            return  # the server rolls back when the connection ends
        try:
            await block.rollback()
        except Exception:  # noqa: BLE001 - the original error is raised
            self._raw.terminate()

    def _fail(self, error: BaseException, *, commit: bool = False) -> NoReturn:
        """Raise the translation of a driver's error; mark an interrupted connection as spoiled."""
        ambiguous = commit or self._raw.is_closed() or not self._raw.is_in_transaction()
        if not isinstance(error, Exception) or isinstance(error, TimeoutError):
            self.spoiled = True
            if not isinstance(error, Exception):
                raise error
        if getattr(error, "sqlstate", None) == READ_ONLY:
            self.is_read_only = True
        raise translate(error, ambiguous=ambiguous) from error
