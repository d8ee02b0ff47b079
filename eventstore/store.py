"""The event store: append, read, follow."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from uuid import UUID

from eventstore.announcing import Announcer
from eventstore.appending import (
    STATEMENTS,
    Appended,
    Prepared,
    StreamAppend,
    prepare,
    rounds,
)
from eventstore.appending import append as append_on
from eventstore.coalescing import Coalescer
from eventstore.database import Connection, Database, Row
from eventstore.errors import AppendRefused, Contended
from eventstore.events import NewEvent, StoredEvent
from eventstore.expected import ANY, ExpectedVersion
from eventstore.fence import Fence, FenceStatus
from eventstore.filters import Filter
from eventstore.reading import END, Direction, Walk, pages, walk_for
from eventstore.rows import decode
from eventstore.subscription import Subscription
from eventstore.upcasting import Upcasters

_COALESCED_EVENTS = 20
"""Appends of more events than this fill a commit well enough by themselves."""

_ATTEMPTS = 5
"""How often a write of ours that lost a race or a deadlock is tried, before the caller is told."""

_EVERYTHING = Filter()


class EventStore:
    """An append-only log of events in one Postgres database.

    Safe for any number of concurrent callers on one event loop, and of processes on one
    database. Everything that can go wrong is in `eventstore.errors`.

    Args:
        database: Where the log is; migrated (`eventstore.migrate`).
        upcasters: Brings old events into today's shape as they are read.
    """

    def __init__(self, database: Database, *, upcasters: Upcasters | None = None) -> None:
        self._database = database
        self._upcasters = upcasters
        self._announcer = Announcer(database)
        self._fence = Fence(database)
        self._coalescer = Coalescer(self._write_each)

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion = ANY
    ) -> Appended:
        """Append events to one stream, all or none of them, durably.

        Idempotent: the same events appended to the same stream again give the first result,
        marked as a duplicate, whatever the expected version is by then. After an
        `Unavailable`, ambiguous or not, append the same events again.

        Raises:
            WrongExpectedVersion: The stream is not as expected.
            Conflict: One of the events is stored with another body, in another stream, or
                without the rest of this batch.
            InvalidEvent: This can never be stored.
            Unavailable: The database did not answer; the events may have been stored.
        """
        member = prepare(StreamAppend(stream, events, expected))
        if len(member.rows) > _COALESCED_EVENTS:
            result = (await self._write_each([member]))[0]
        else:
            result = await self._coalescer.submit(member)
        if isinstance(result, AppendRefused):
            raise result
        return result

    async def append_many(
        self, appends: Sequence[StreamAppend], *, connection: Connection | None = None
    ) -> list[Appended]:
        """Append to many streams, all or nothing, each with its own expectation.

        The appends are judged in their order, each behind those before it. On a caller's
        ``connection`` this is part of the caller's transaction (READ COMMITTED), which a
        refusal leaves usable, and the caller announces after the commit (`announce`).

        Raises:
            AppendRefused: One of them was refused; the first refusal is raised.
            InvalidEvent: One of them can never be stored.
            Unavailable: As in `append`.
        """
        members = [prepare(append) for append in appends]
        if not members:
            return []
        if connection is not None:
            return await _all_or_nothing(connection, members)
        done = await self._attempt(members, all_or_nothing=True)
        return _accepted(done)

    async def append_each(
        self, appends: Sequence[StreamAppend], *, connection: Connection | None = None
    ) -> list[Appended | AppendRefused]:
        """Append to many streams in one commit, each append judged on its own.

        Refusals are returned as values, in the place of a result; a refused append neither
        aborts the (caller's) transaction nor keeps the others from being written. Positions
        follow the order of the appends.

        Raises:
            InvalidEvent: One of them can never be stored; nothing was written.
            Unavailable: As in `append`.
        """
        members = [prepare(append) for append in appends]
        if not members:
            return []
        if connection is not None:
            return await append_on(connection, members, all_or_nothing=False)
        return await self._write_each(members)

    def announce(self) -> None:
        """Tell the subscriptions of all processes that there is something new; never waits.

        Appends of this store do it themselves. Who appends on a connection of their own calls
        it after the commit; if it is forgotten or lost, subscriptions notice a little later.
        """
        self._announcer.announce()

    async def get(self, uid: UUID) -> StoredEvent | None:
        """Return an event by its uid, None if it is not stored."""
        return (await self.get_many([uid])).get(uid)

    async def get_many(self, uids: Sequence[UUID]) -> dict[UUID, StoredEvent]:
        """Return those of the events that are stored, by uid."""
        rows = await self._database.fetch(STATEMENTS["get_many"], list(uids))
        found = [self._decode(row) for row in rows]
        return {stored.uid: stored for stored in found}

    async def read_stream(
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
        async with aclosing(self._events(walk, after, through, limit)) as events:
            async for stored in events:
                yield stored

    async def read_all(
        self,
        *,
        after: int = 0,
        through: int | None = None,
        where: Filter = _EVERYTHING,
        direction: Direction = "forward",
        limit: int | None = None,
    ) -> AsyncGenerator[StoredEvent]:
        """Yield what is in the log now, in position order, or backwards.

        This is a look at the log, not a way to follow it: an append that is under way may later
        appear below a position that has been read. To read what is complete, pass ``through=await
        store.settled()``; to go on from there, `subscribe`.

        Args:
            after: Yield positions above this one only.
            through: Yield positions up to this one only; default is the head as of now.
            where: What to yield.
            direction: ``forward`` or ``backward``.
            limit: The most events to yield.
        """
        if through is None:
            through = await self.head()
        walk, after, through = await self._bounds(where, direction, after, through)
        async with aclosing(self._events(walk, after, through, limit)) as events:
            async for stored in events:
                yield stored

    async def head(self) -> int:
        """Return the highest position that is visible now, 0 when the log is empty."""
        return int(await self._database.fetchval(STATEMENTS["head"]))

    async def settled(self) -> int:
        """Return a position at or above the head as of now, up to which the log is final.

        Waits for the appends that are under way below it.
        """
        return await self._fence.settle()

    async def stream_version(self, stream: str) -> int:
        """Return the version of a stream's last event, 0 when the stream does not exist."""
        return int(await self._database.fetchval(STATEMENTS["stream_version"], stream))

    async def count(
        self, where: Filter = _EVERYTHING, *, after: int = 0, through: int | None = None
    ) -> int:
        """Return how many events a filter lets pass now."""
        until = END if through is None else through
        async with self._database.connection() as connection:
            rows = await connection.fetch_planned(
                STATEMENTS["count"], after, until, *where.arguments
            )
        return int(rows[0][0])

    def subscribe(
        self, *, after: int = 0, where: Filter = _EVERYTHING, batch_size: int = 500
    ) -> Subscription:
        """Follow the log from a position on: catch up, then live, missing nothing.

        See `eventstore.subscription` for what is guaranteed, and why.
        """
        return Subscription(
            self._database,
            self._fence,
            after=after,
            where=where,
            batch_size=batch_size,
            decode=self._decode,
        )

    async def fence_status(self) -> FenceStatus:
        """Tell how far the log is final, how far it has been drawn, and who holds it back."""
        return await self._fence.status()

    async def incarnation(self) -> UUID:
        """Return the id of this history of the log; a restored backup is given a new one."""
        return UUID(int=(await self._database.fetchval(STATEMENTS["incarnation"])).int)

    async def renew_incarnation(self) -> UUID:
        """Begin a new incarnation: the step that follows every restore of a backup.

        Positions above the backup's head will mean other events than those that readers have
        seen; checkpoints of the old incarnation are refused from now on.
        """
        return UUID(int=(await self._database.fetchval(STATEMENTS["renew_incarnation"])).int)

    async def _write_each(self, members: Sequence[Prepared]) -> list[Appended | AppendRefused]:
        return await self._attempt(members, all_or_nothing=False)

    async def _attempt(
        self, members: Sequence[Prepared], *, all_or_nothing: bool
    ) -> list[Appended | AppendRefused]:
        """Write a batch in a commit of its own, again if it lost a race."""
        attempt = 1
        while True:
            try:
                results = await self._write(members, all_or_nothing=all_or_nothing)
            except Contended:
                if attempt == _ATTEMPTS:
                    raise
                attempt += 1
            else:
                self._announcer.announce()
                return results

    async def _write(
        self, members: Sequence[Prepared], *, all_or_nothing: bool
    ) -> list[Appended | AppendRefused]:
        if len(rounds(members)) == 1:
            async with self._database.connection() as connection:
                return await append_on(connection, members, all_or_nothing=all_or_nothing)
        async with self._database.transaction() as connection:
            if all_or_nothing:
                return list(await _all_or_nothing(connection, members))
            return await append_on(connection, members, all_or_nothing=False)

    async def _bounds(
        self, where: Filter, direction: Direction, after: int, through: int
    ) -> tuple[Walk, int, int]:
        """Choose the walk for a read, and bring its bounds into the walk's own key."""
        walk = walk_for(where, direction)
        if where.since is not None or where.until is not None:
            span = await self._database.fetchrow(
                STATEMENTS["positions_between"], where.since, where.until
            )
            if span is not None:
                after, through = max(after, span["after"]), min(through, span["through"])
        if walk.key == "version":
            after = await self._version_at(where.stream, after)
            through = await self._version_at(where.stream, through)
        return walk, after, through

    async def _version_at(self, stream: str | None, position: int) -> int:
        return int(await self._database.fetchval(STATEMENTS["version_at"], stream, position))

    async def _events(
        self, walk: Walk, after: int, through: int, limit: int | None
    ) -> AsyncGenerator[StoredEvent]:
        left = END if limit is None else limit
        partial = not walk.residual.is_empty
        async with aclosing(
            pages(self._database, walk, after, through, limit=None if partial else limit)
        ) as found:
            async for page in found:
                for row in page:
                    if partial and not walk.residual.matches(decode(row)):
                        continue
                    if left <= 0:
                        return
                    left -= 1
                    yield self._decode(row)

    def _decode(self, row: Row) -> StoredEvent:
        stored = decode(row)
        return self._upcasters.apply(stored) if self._upcasters else stored


async def _all_or_nothing(
    connection: Connection, members: Sequence[Prepared]
) -> list[Appended]:
    if len(rounds(members)) == 1:
        return _accepted(await append_on(connection, members, all_or_nothing=True))
    async with connection.transaction():
        return _accepted(await append_on(connection, members, all_or_nothing=True))


def _accepted(results: Sequence[Appended | AppendRefused]) -> list[Appended]:
    accepted = []
    for result in results:
        if isinstance(result, AppendRefused):
            raise result
        accepted.append(result)
    return accepted
