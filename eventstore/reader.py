"""The reader: one event, one stream, the whole log, or a COPY stream."""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from eventstore.appending import STATEMENTS
from eventstore.copy_out import Format, Sink, export
from eventstore.database import Database, Row
from eventstore.events import StoredEvent, uid
from eventstore.fence import Fence
from eventstore.filters import Filter
from eventstore.paging import END, Direction, Walk, pages, walk_for
from eventstore.rows import decode as decode_row
from eventstore.upcasting import Upcasters

Plan = tuple[Walk, int, int]
"""A walk, and its keys: after the first, through the second."""

_CHUNK: Final = 250_000
"""Positions that one statement counts."""

_MAX_SOURCES: Final = 10_000
"""The most sources with which an id is looked up to find the first event of a chain."""

EVERYTHING = Filter()
"""The filter that every event passes."""


class EventLog:
    """The reading half of `eventstore.store.EventStore`."""

    def __init__(self, database: Database, fence: Fence, upcasters: Upcasters | None) -> None:
        self._database = database
        self._fence = fence
        self._upcasters = upcasters

    @property
    def database(self) -> Database:
        """The database that the log is in."""
        return self._database

    async def get(self, uid: UUID) -> StoredEvent | None:
        """Return an event by its uid, None if it is not stored."""
        return (await self.get_many([uid])).get(uid)

    async def get_many(self, uids: Sequence[UUID]) -> dict[UUID, StoredEvent]:
        """Return the events that are stored, by uid."""
        rows = await self._database.fetch(STATEMENTS["get_many"], list(uids))
        found = [self._decode(row) for row in rows]
        return {stored.uid: stored for stored in found}

    def read_stream(
        self,
        stream: str,
        *,
        from_version: int | None = None,
        direction: Direction = "forward",
        limit: int | None = None,
    ) -> AsyncGenerator[StoredEvent]:
        """Yield the events of one stream in the order of their versions, or backwards.

        Args:
            stream: The stream; one that does not exist has no events.
            from_version: The first version to yield (included); default is the first one, or
                the last one when reading backwards.
            direction: ``forward`` or ``backward``.
            limit: The most events to yield.
        """
        walk = walk_for(Filter(stream=stream), direction)
        if walk.forward:
            after, through = (from_version or 1) - 1, END
        else:
            after, through = 0, END if from_version is None else from_version

        async def plan() -> Plan:
            return walk, after, through

        return self._events(plan, limit)

    def read_all(
        self,
        *,
        after: int = 0,
        through: int | None = None,
        where: Filter = EVERYTHING,
        direction: Direction = "forward",
        limit: int | None = None,
    ) -> AsyncGenerator[StoredEvent]:
        """Yield the events that are visible now, in position order, or backwards.

        Do not follow the log this way: an append in progress may later appear below a position
        that has been read. For a complete read, pass ``through=await store.settled()``; to continue
        from there, use `subscribe`.

        Args:
            after: Yield only positions above this one.
            through: Yield only positions up to this one; default is the current head.
            where: Which events.
            direction: ``forward`` or ``backward``.
            limit: The most events to yield.
        """

        async def plan() -> Plan:
            end = await self.head() if through is None else through
            return await self._bounds(where, direction, after, end)

        return self._events(plan, limit)

    async def read_pages(
        self, *, after: int = 0, through: int, where: Filter = EVERYTHING
    ) -> AsyncGenerator[list[StoredEvent]]:
        """Like `read_all`, but in lists as they are fetched, for callers that handle many at once.

        A list may be empty. Memory is bounded as in `eventstore.paging`.
        """
        walk, begin, end = await self._bounds(where, "forward", after, through)
        residual = walk.residual
        decode = self._decode if self._upcasters else decode_row
        async with aclosing(pages(self._database, walk, begin, end)) as found:
            async for page in found:
                if residual.is_empty:
                    yield [decode(row) for row in page]
                else:
                    yield [decode(row) for row in page if residual.matches(decode_row(row))]

    async def export(
        self,
        sink: Sink,
        *,
        after: int = 0,
        through: int | None = None,
        where: Filter = EVERYTHING,
        fmt: Format = "binary",
    ) -> int:
        """Stream the log as COPY does, for backups, exports and rebuilds; return the number of events.

        Args:
            sink: Takes the bytes as they arrive; a slow sink slows the server.
            after: Only positions above this one.
            through: Only positions up to this one; default is where the log is final now, so that the
                export is complete.
            where: Which events.
            fmt: ``binary``, ``csv`` or ``text``; the columns are `eventstore.copy_out.COLUMNS`.
        """
        if through is None:
            through = await self.settled()
        return await export(
            self._database, sink, after=after, through=through, where=where, fmt=fmt
        )

    async def head(self) -> int:
        """Return the highest position that is visible now, 0 when the log is empty."""
        return int(await self._database.fetchval(STATEMENTS["head"]))

    async def time_of(self, when: datetime | timedelta | None) -> datetime | None:
        """Return a point in time; a ``timedelta`` is how long ago, by the database's clock.

        Events are recorded by that clock, so a reader's own clock would select others.
        """
        if not isinstance(when, timedelta):
            return when
        now: datetime = await self._database.fetchval(STATEMENTS["now"])
        return now - when

    async def settled(self) -> int:
        """Return a position at or above the current head, up to which the log is final.

        Waits for appends in progress below it.
        """
        return await self._fence.settle()

    async def stream_version(self, stream: str) -> int:
        """Return the version of a stream's last event, 0 when the stream does not exist."""
        return int(await self._database.fetchval(STATEMENTS["stream_version"], stream))

    async def count(
        self, where: Filter = EVERYTHING, *, after: int = 0, through: int | None = None
    ) -> int:
        """Return how many events pass a filter now.

        Counts in chunks, so that no statement takes long even on a long log.
        """
        until = await self.head() if through is None else through
        after, until = await self._narrowed(where, after, until)
        arguments = where.arguments(await self._firsts(where))
        total = 0
        for start in range(after, until, _CHUNK):
            async with self._database.connection() as connection:
                rows = await connection.fetch_planned(
                    STATEMENTS["count"], start, min(start + _CHUNK, until), *arguments
                )
            total += int(rows[0][0])
        return total

    async def count_removed(
        self, where: Filter = EVERYTHING, *, after: int = 0, through: int
    ) -> dict[int, int]:
        """Return how many events that pass a filter have lost their bodies, by removal."""
        after, until = await self._narrowed(where, after, through)
        arguments = where.arguments(await self._firsts(where))
        total: Counter[int] = Counter()
        for start in range(after, until, _CHUNK):
            async with self._database.connection() as connection:
                rows = await connection.fetch_planned(
                    STATEMENTS["count_removed"], start, min(start + _CHUNK, until), *arguments
                )
            total.update({row["removal"]: row["count"] for row in rows})
        return total

    async def incarnation(self) -> UUID:
        """Return the id of this history of the log; a restored backup gets a new one."""
        return UUID(int=(await self._database.fetchval(STATEMENTS["incarnation"])).int)

    async def renew_incarnation(self) -> UUID:
        """Begin a new incarnation; required after every restore of a backup.

        Positions above the backup's head will be given to other events than those that readers
        have seen. Checkpoints of the old incarnation are refused from now on.
        """
        return UUID(int=(await self._database.fetchval(STATEMENTS["renew_incarnation"])).int)

    async def _bounds(
        self, where: Filter, direction: Direction, after: int, through: int
    ) -> Plan:
        """Choose the walk for a read, and convert the bounds to the walk's key."""
        walk = walk_for(where, direction, await self._firsts(where))
        after, through = await self._narrowed(where, after, through)
        if walk.key == "version":
            after = await self._version_at(where.stream, after)
            through = await self._version_at(where.stream, through)
        return walk, after, through

    async def sources(self, limit: int) -> list[str]:
        """Return the sources of the stored events, the oldest first, at most ``limit``."""
        rows = await self._database.fetch(STATEMENTS["sources"], limit)
        return [row["source"] for row in rows]

    async def _firsts(self, where: Filter) -> list[UUID] | None:
        """Return the uids that the first event of the filter's chain may have.

        By default the correlation id of a chain is the id of its first event, which has no index.
        Its uid follows from the id and one of the sources. None if there are too many to try.
        """
        if where.correlation_id is None or where.stream is not None:
            return None
        sources = await self.sources(_MAX_SOURCES + 1)
        if len(sources) > _MAX_SOURCES:
            return None
        return [uid(source, where.correlation_id) for source in sources]

    async def _narrowed(self, where: Filter, after: int, through: int) -> tuple[int, int]:
        """Narrow the bounds to the filter's time range."""
        if where.since is None and where.until is None:
            return after, through
        span = await self._database.fetchrow(
            STATEMENTS["positions_between"], where.since, where.until
        )
        if span is None:
            return after, through
        return max(after, span["after"]), min(through, span["through"])

    async def _version_at(self, stream: str | None, position: int) -> int:
        return int(
            await self._database.fetchval(STATEMENTS["version_at"], stream, position, None)
        )

    async def _events(
        self, plan: Callable[[], Awaitable[Plan]], limit: int | None
    ) -> AsyncGenerator[StoredEvent]:
        walk, after, through = await plan()
        residual = walk.residual
        decode = self._decode if self._upcasters else decode_row
        if residual.is_empty:
            async with aclosing(
                pages(self._database, walk, after, through, limit=limit)
            ) as found:
                async for page in found:
                    for row in page:
                        yield decode(row)
            return
        left = END if limit is None else limit
        async with aclosing(pages(self._database, walk, after, through)) as found:
            async for page in found:
                for row in page:
                    if not residual.matches(decode_row(row)):
                        continue
                    if left <= 0:
                        return
                    left -= 1
                    yield decode(row)

    def _decode(self, row: Row) -> StoredEvent:
        stored = decode_row(row)
        return self._upcasters.apply(stored) if self._upcasters else stored
