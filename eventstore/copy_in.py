"""The bulk path in: a whole history, as `eventstore.copy_out` gives it, into an empty store.

Positions, versions and times of recording are kept, which nobody but the tables' owner may set.
All of it is one transaction, and it is read back inside of it: what the table would export is,
byte for byte, what was put in, or nothing is committed.

**Which history it is then** is for the caller to say. A *copy*, beside which the original goes on,
must be another incarnation: what either appends from now on gets the same positions. A store that
is *moved*, and goes on here alone, stays the same one, so that checkpoints and relayed messages
keep their meaning.
"""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from uuid import UUID

from eventstore.appending import STATEMENTS
from eventstore.copy_out import COLUMNS
from eventstore.database import Connection, Database
from eventstore.errors import ImportRefused, NotAdmitted
from eventstore.filters import Filter
from eventstore.paging import END
from eventstore.stall_timeout import Stalling

Within = Callable[[Connection], Awaitable[None]]
"""What else is to be part of the transaction."""


async def restore(
    database: Database,
    rows: AsyncIterable[bytes],
    *,
    events: int,
    digest: str,
    last: int,
    incarnation: UUID | None,
    within: Within,
) -> None:
    """Fill an empty store from a COPY stream in text format.

    Args:
        database: The store's, as the owner of its tables.
        rows: The stream; its columns are `COLUMNS`.
        events: How many rows it must have.
        digest: The SHA-256 of all its bytes, in hexadecimal.
        last: The last position that the history had; new events come behind it.
        incarnation: The history's own, for one that is moved; None begins a new one.
        within: Done inside the transaction, before it is committed.

    Raises:
        ImportRefused: The store is not empty, this role may not do it, or what is in the table
            is not what was sent. Nothing was written.
        StatementFailed: A row is none of this store. Nothing was written.
        Unavailable: The database was lost, or took nothing for the deadline; nothing was
            written, unless ``ambiguous``.
    """
    try:
        async with database.transaction() as connection:
            await connection.execute(STATEMENTS["unhurried"])
            await connection.execute(STATEMENTS["lock_log"])
            if await connection.fetchval(STATEMENTS["head"]):
                raise ImportRefused("the store is not empty: a history goes into an empty one")
            async with Stalling(database.deadline) as stalling:
                await connection.copy_in("events", _watched(rows, stalling), COLUMNS)
                await _read_back(connection, events, digest, stalling)
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


async def _watched(rows: AsyncIterable[bytes], stalling: Stalling) -> AsyncIterator[bytes]:
    stalling.paused()
    async for chunk in rows:
        stalling.moved()
        yield chunk
        stalling.paused()
    stalling.moved()


async def _read_back(
    connection: Connection, events: int, digest: str, stalling: Stalling
) -> None:
    hasher = hashlib.sha256()

    async def sink(chunk: bytes) -> None:
        stalling.moved()
        hasher.update(chunk)

    found = await connection.copy_out(
        STATEMENTS["export"], 0, END, *Filter().arguments, output=sink, fmt="text"
    )
    if found != events or hasher.hexdigest() != digest:
        raise ImportRefused(
            f"what is in the table is not what was sent: {found} events of {events}, SHA-256 "
            f"{hasher.hexdigest()} instead of {digest}; nothing was written"
        )
