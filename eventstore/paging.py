"""Paging: read the log in pages of bounded rows and bytes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import msgspec

from eventstore.appending import STATEMENTS
from eventstore.database import Database, Row
from eventstore.filters import Filter

Direction = Literal["forward", "backward"]

PAGE_ROWS: Final = 1000
"""A page has at most this many events."""

PAGE_BYTES: Final = 4 * 1024 * 1024
"""A page ends where its data reaches this many bytes; its last event may exceed them."""

END: Final = 2**63 - 1
"""Larger than every position and version."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How one read walks through the log.

    Attributes:
        statement: The paging statement: ``$1`` after this key, ``$2`` through this key, ``$3``
            rows, ``$4`` bytes, then ``arguments``, then the server. Its rows are in the order of
            the walk.
        key: The column of the bounds: ``position``, or ``version`` in a stream.
        forward: Whether the walk goes upwards.
        arguments: More arguments of the statement.
        planned: Whether the statement must be planned for its arguments.
        residual: The conditions that the statement does not check.
    """

    statement: str
    key: Literal["position", "version"]
    forward: bool
    arguments: Sequence[object] = ()
    planned: bool = False
    residual: Filter = Filter()  # noqa: RUF009 - frozen


def walk_for(where: Filter, direction: Direction) -> Walk:
    """Choose a walk for a filter so that an index serves it.

    A stream is walked by its versions, a type prefix by the types that have it; for all other
    filters the planner chooses the index.
    """
    forward = direction == "forward"
    if where.is_empty:
        return Walk(STATEMENTS[f"log_{direction}"], "position", forward)
    if where.stream is not None:
        rest = msgspec.structs.replace(where, stream=None)
        return Walk(
            STATEMENTS[f"stream_{direction}"],
            "version",
            forward,
            arguments=(where.stream,),
            residual=rest,
        )
    name = "prefixed" if where.type_prefix and where.type is None else "filtered"
    return Walk(
        STATEMENTS[f"{name}_{direction}"],
        "position",
        forward,
        arguments=where.arguments,
        planned=True,
    )


async def fetch(
    database: Database,
    walk: Walk,
    after: int,
    through: int,
    rows: int,
    server: datetime | None = None,
) -> list[Row]:
    """Fetch the first page of ``(after, through]`` in the direction of the walk.

    Raises:
        Unavailable: The database was lost, or another server than the required one answers.
    """
    async with database.connection() as connection:
        run = connection.fetch_planned if walk.planned else connection.fetch
        return await run(
            walk.statement, after, through, rows, PAGE_BYTES, *walk.arguments, server
        )


async def pages(
    database: Database,
    walk: Walk,
    after: int,
    through: int,
    *,
    limit: int | None = None,
    rows: int = PAGE_ROWS,
    server: datetime | None = None,
) -> AsyncGenerator[list[Row]]:
    """Yield the pages of ``(after, through]``, each fetched while the previous one is used.

    Close the iterator (``contextlib.aclosing``) when leaving it early.

    Args:
        database: Where the log is.
        walk: How to walk through it.
        after: The key after which to begin.
        through: The last key.
        limit: The most rows to yield.
        rows: The most rows of a page.
        server: The start time of the required server (`eventstore.fence`), or None for any
            primary.
    """
    left = END if limit is None else limit
    if left <= 0 or after >= through:
        return
    asked = min(rows, left)
    pending = asyncio.ensure_future(fetch(database, walk, after, through, asked, server))
    try:
        while True:
            page = await pending
            left -= len(page)
            if left <= 0 or is_last(page, asked):
                break
            edge = page[-1][walk.key]
            after, through = (edge, through) if walk.forward else (after, edge - 1)
            asked = min(rows, left)
            pending = asyncio.ensure_future(
                fetch(database, walk, after, through, asked, server)
            )
            # Let it send its statement now: the caller may use the page without ever awaiting.
            await asyncio.sleep(0)
            yield page
        if page:
            yield page
    finally:
        if not pending.done():
            pending.cancel()
            await asyncio.wait([pending])


def is_last(page: Sequence[Row], asked: int) -> bool:
    """Return whether a page is the last one: neither rows nor bytes ended it."""
    if len(page) >= asked:
        return False
    return sum(len(row["data"] or b"") for row in page) < PAGE_BYTES
