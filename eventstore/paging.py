"""Paging: read the log in pages of bounded rows and bytes."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

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

_FIRST_WINDOW: Final = 50_000
"""Positions that the first statement of a filtered walk reads."""
_LEAST_WINDOW: Final = PAGE_ROWS
"""Positions that a statement reads at least."""
_SPARE: Final = 2
"""After a full page, a window is so many times as wide as what the page has read."""
NARROW: Final = 500
"""Positions: to read all rows of a range of this size takes less time than to plan a statement for its arguments."""
_SHORT: Final = 0.05
_LONG: Final = 0.5
"""Seconds: windows grow while one takes less than the first, and shrink when one takes more than the second."""
_GROWTH: Final = 4


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
        filtered: Whether the statement leaves rows out: it must be planned for its arguments, unless its range is
            narrow, and be given windows of positions, because it may have to read every row of them.
        residual: The conditions that the statement does not check.
    """

    statement: str
    key: Literal["position", "version"]
    forward: bool
    arguments: Sequence[object] = ()
    filtered: bool = False
    residual: Filter = Filter()  # noqa: RUF009 - frozen


def walk_for(where: Filter, direction: Direction, firsts: Sequence[UUID] | None = None) -> Walk:
    """Choose a walk for a filter.

    A stream is walked by its versions, a type prefix by the types that have it; for all other
    filters the planner chooses an index, or reads the rows in the order of their positions.

    Args:
        where: The filter.
        direction: ``forward`` or ``backward``.
        firsts: As in `Filter.arguments`.
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
        arguments=where.arguments(firsts),
        filtered=True,
    )


class Windows:
    """The range of a walk, in the parts that one statement each may read.

    A filter that no index serves reads every row of its range. So it gets a range that takes a
    fraction of a second, and larger ones while they take less: where an index serves the filter, a
    few statements reach the end. Where many events pass, a page is full long before its window ends,
    and the next window is little wider than what a page needs: for the planner hardly any event may
    pass, so it may read all of a window, and sort it, for each page. A walk that is not filtered has
    one window, the whole range.
    """

    def __init__(self, walk: Walk, after: int, through: int) -> None:
        self._forward = walk.forward
        self._filtered = walk.filtered
        self._after, self._through = after, through
        self._size = _FIRST_WINDOW if walk.filtered else END

    @property
    def current(self) -> tuple[int, int]:
        """The bounds of the current window: after the first, through the second."""
        if self._forward:
            return self._after, min(self._through, self._after + self._size)
        return max(self._after, self._through - self._size), self._through

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to read."""
        return self._after >= self._through

    def read_to(self, key: int) -> None:
        """Go on beyond a row: the last one of a page that did not reach the window's end."""
        if self._forward:
            wide = key - self._after
            self._after = key
        else:
            wide = self._through - key + 1
            self._through = key - 1
        if self._filtered:
            self._size = max(_LEAST_WINDOW, min(self._size, _SPARE * wide))

    def read(self, seconds: float) -> None:
        """Go on to the next window, whose size depends on how long this one took."""
        after, through = self.current
        if self._forward:
            self._after = through
        else:
            self._through = after
        if seconds < _SHORT:
            self._size = min(END, self._size * _GROWTH)
        elif seconds > _LONG:
            self._size = max(_FIRST_WINDOW, self._size // _GROWTH)


async def fetch(
    database: Database,
    walk: Walk,
    after: int,
    through: int,
    rows: int,
    server: datetime | None = None,
    *,
    sent: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Fetch the first page of ``(after, through]`` in the direction of the walk.

    ``sent`` is called when the server has been asked for the page, or cannot be asked.

    Raises:
        Unavailable: The database was lost, or another server than the required one answers.
    """
    arguments = (after, through, rows, PAGE_BYTES, *walk.arguments, server)
    try:
        async with database.connection() as connection:
            if walk.filtered and through - after > NARROW:
                return await connection.fetch_planned(walk.statement, *arguments, prepared=sent)
            sent()
            return await connection.fetch(walk.statement, *arguments)
    finally:
        sent()


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
    windows = Windows(walk, after, through)
    if left <= 0 or windows.is_over:
        return
    clock = asyncio.get_running_loop().time

    def ask() -> tuple[asyncio.Future[list[Row]], asyncio.Event]:
        sent = asyncio.Event()
        page = fetch(database, walk, *windows.current, asked, server, sent=sent.set)
        return asyncio.ensure_future(page), sent

    asked, began = min(rows, left), clock()
    pending, sent = ask()
    try:
        while True:
            page = await pending
            left -= len(page)
            if is_last(page, asked):
                windows.read(clock() - began)
            else:
                windows.read_to(page[-1][walk.key])
            if left <= 0 or windows.is_over:
                break
            asked, began = min(rows, left), clock()
            pending, sent = ask()
            if page:
                # The server reads the next page while the caller, who may never await, uses this one.
                await sent.wait()
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
