"""The bulk path out: the log as a COPY stream, at the server's own speed.

Bytes go from the server to a sink without a row being looked at. What a page read spends on
making objects (more than the server spends on reading) is not spent: for exports, and for
rebuilding tables by COPY elsewhere.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

from eventstore.appending import STATEMENTS
from eventstore.database import Database
from eventstore.filters import Filter
from eventstore.stall_timeout import Stalling

Format = Literal["csv", "text", "binary"]
"""The formats of Postgres' COPY. CSV and text render ``data`` in hexadecimal (``\\x…``)."""

Sink = Callable[[bytes], Awaitable[None]]
"""Takes the next bytes; the server is held up while it is busy."""

COLUMNS: Final = (
    "position", "uid", "stream", "version", "recorded_at", "origin", "id", "source", "type",
    "subject", "time", "datacontenttype", "dataschema", "data", "traceparent", "tracestate",
    "extensions", "topic", "correlation_id", "correlation_uid", "causation_id",
    "causation_uid", "tenant", "schema_version", "digest",
)  # fmt: skip
"""The columns of an export, in their order."""


async def export(
    database: Database, sink: Sink, *, after: int, through: int, where: Filter, fmt: Format
) -> int:
    """Stream what a filter lets pass of ``(after, through]``; return the number of events.

    Raises:
        Unavailable: The database did not answer, or no bytes came for the deadline.
    """

    async def passed_on(chunk: bytes) -> None:
        # What the sink takes is its own time, not the server's.
        stalling.paused()
        await sink(chunk)
        stalling.moved()

    async with database.transaction() as connection:
        await connection.execute(STATEMENTS["unhurried"])
        async with Stalling(database.deadline) as stalling:
            return await connection.copy_out(
                STATEMENTS["export"],
                after,
                through,
                *where.arguments,
                output=passed_on,
                fmt=fmt,
            )
