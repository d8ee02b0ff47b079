"""Bulk export: the log as a COPY stream.

Bytes go from the server to a sink without being parsed. This saves the cost of creating objects,
which is higher than the server's cost of reading. For exports, and for rebuilding tables by COPY
elsewhere.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

from eventstore.appending import STATEMENTS
from eventstore.database import Database
from eventstore.filters import Filter
from eventstore.stall_timeout import StallTimeout

Format = Literal["csv", "text", "binary"]
"""The formats of Postgres' COPY. CSV and text render ``data`` in hexadecimal (``\\x…``)."""

Sink = Callable[[bytes], Awaitable[None]]
"""Takes the next bytes; the server waits meanwhile."""

COLUMNS: Final = (
    "position", "uid", "stream", "version", "recorded_at", "origin", "id", "source", "type",
    "subject", "time", "datacontenttype", "dataschema", "data", "traceparent", "tracestate",
    "extensions", "topic", "correlation_id", "correlation_uid", "causation_id",
    "causation_uid", "tenant", "schema_version", "digest", "removal",
)  # fmt: skip
"""The columns of an export, in their order."""

EARLY_COLUMNS: Final = COLUMNS[:-1]
"""Those of the exports of early releases, which removed nothing."""


async def export(
    database: Database, sink: Sink, *, after: int, through: int, where: Filter, fmt: Format
) -> int:
    """Stream the events of ``(after, through]`` that pass a filter; return their number.

    Raises:
        Unavailable: The database did not answer, or no bytes came within the deadline.
    """

    async def passed_on(chunk: bytes) -> None:
        # The sink's time does not count against the server's deadline.
        timeout.paused()
        await sink(chunk)
        timeout.moved()

    async with database.transaction() as connection:
        await connection.execute(STATEMENTS["unhurried"])
        async with StallTimeout(database.deadline) as timeout:
            return await connection.copy_out(
                STATEMENTS["export"],
                after,
                through,
                *where.arguments(),
                output=passed_on,
                fmt=fmt,
            )
