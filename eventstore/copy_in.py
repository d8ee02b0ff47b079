"""Bulk import: a whole history, as exported by `eventstore.copy_out`, into an empty store.

Positions, versions and times of recording are kept; only the tables' owner may set them. All of it
is one transaction, which reads the table back: it commits only if the table would export the same
bytes.

**The caller chooses the incarnation.** A *copy* of a store that stays in use must get a new one:
both append other events at the same positions. A store that is *moved* keeps its incarnation, so
that checkpoints and relayed messages stay valid.
"""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

from eventstore.appending import STATEMENTS
from eventstore.copy_out import COLUMNS, EARLY_COLUMNS
from eventstore.database import Connection, Database
from eventstore.errors import ImportRefused, NotAdmitted
from eventstore.filters import Filter
from eventstore.paging import END
from eventstore.stall_timeout import StallTimeout

_CHUNK = 2_000
"""Positions that one statement stores."""
_STEP = 5_000
"""Positions that one statement reads back."""

_STATEMENT_OF = {COLUMNS: "export", EARLY_COLUMNS: "export_early"}

Within = Callable[[Connection], Awaitable[None]]
"""More work in the same transaction."""


async def restore(
    database: Database,
    rows: AsyncIterable[bytes],
    *,
    columns: Sequence[str] = COLUMNS,
    events: int,
    digest: str,
    last: int,
    incarnation: UUID | None,
    within: Within,
) -> None:
    """Fill an empty store from a COPY stream in text format.

    Args:
        database: The store's database, connected as the owner of its tables.
        rows: The stream.
        columns: Its columns: `COLUMNS`, or `EARLY_COLUMNS`.
        events: How many rows it must have.
        digest: The SHA-256 of all its bytes, in hexadecimal.
        last: The last position of the history; new events come after it.
        incarnation: The history's own, for a moved store; None begins a new one.
        within: Called inside the transaction before it commits.

    Raises:
        ImportRefused: The store is not empty, this role has no right to import, or the table
            does not hold what was sent. Nothing was written.
        StatementFailed: A row does not fit the table. Nothing was written.
        Unavailable: The database was lost, or made no progress within the deadline; nothing was
            written, unless ``ambiguous``.
    """
    try:
        async with database.transaction() as connection:
            await connection.execute(STATEMENTS["unhurried"])
            await connection.execute(STATEMENTS["lock_log"])
            if await connection.fetchval(STATEMENTS["head"]):
                raise ImportRefused("the store is not empty: import into an empty store")
            async with StallTimeout(database.deadline) as stall:
                await connection.execute(STATEMENTS["prepare_import"])
                await connection.copy_in("imported_events", _watched(rows, stall), columns)
                for start in range(0, last, _CHUNK):
                    # Bounded at both ends: one that is not sorts the rest of the table each time.
                    await connection.fetchval(
                        STATEMENTS["store_imported"], start, start + _CHUNK
                    )
                    stall.moved()
                statement = STATEMENTS[_STATEMENT_OF[tuple(columns)]]
                await _read_back(connection, statement, events, digest, last, stall)
            if last:
                await connection.execute(STATEMENTS["set_next_position"], last)
            if incarnation is None:
                await connection.execute(STATEMENTS["renew_incarnation"])
            else:
                await connection.execute(STATEMENTS["take_incarnation"], incarnation)
            await within(connection)
    except NotAdmitted as error:
        raise ImportRefused(
            f"this role may not set positions: connect as the owner of the tables ({error})"
        ) from error


async def _watched(rows: AsyncIterable[bytes], stall: StallTimeout) -> AsyncIterator[bytes]:
    stall.paused()
    async for chunk in rows:
        stall.moved()
        yield chunk
        stall.paused()
    stall.moved()


async def _read_back(
    connection: Connection,
    statement: str,
    events: int,
    digest: str,
    last: int,
    stall: StallTimeout,
) -> None:
    hasher = hashlib.sha256()

    async def sink(chunk: bytes) -> None:
        stall.moved()
        hasher.update(chunk)

    found = 0
    # In steps: one statement over a table without statistics sorts all rows before it sends the first.
    for start in (*range(0, last, _STEP), last):
        through = min(start + _STEP, last) if start < last else END
        found += await connection.copy_out(
            statement,
            start,
            through,
            *Filter().arguments(),
            output=sink,
            fmt="text",
        )
        stall.moved()
    if found != events or hasher.hexdigest() != digest:
        raise ImportRefused(
            f"the table does not contain the rows that were sent: {found} events of {events}, SHA-256 "
            f"{hasher.hexdigest()} instead of {digest}; nothing was written"
        )
