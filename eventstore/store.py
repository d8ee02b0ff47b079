"""The event store: append, read, follow."""

from collections.abc import Sequence
from uuid import UUID

from eventstore.announcer import Announcer
from eventstore.appending import STATEMENTS, Appended
from eventstore.appending import append as append_on
from eventstore.batching import Coalescer
from eventstore.database import Connection, Database
from eventstore.errors import (
    AppendRefused,
    Contended,
    EventStoreError,
    InvalidEvent,
    StatementFailed,
)
from eventstore.events import NewEvent
from eventstore.expected import ANY, ExpectedVersion
from eventstore.fence import Fence, FenceStatus
from eventstore.filters import Filter
from eventstore.prepared import (
    AppendStatement,
    ListedSources,
    PreparedAppend,
    StreamAppend,
    arguments_of,
    prepare,
    rounds,
)
from eventstore.reader import EVERYTHING, EventLog
from eventstore.subscription import Subscription
from eventstore.upcasting import Upcasters

_ATTEMPTS = 5
"""Attempts of a write that loses a race or a deadlock, before the caller gets the error."""


class EventStore(EventLog):
    """An append-only log of events in one Postgres database.

    Safe for any number of concurrent callers on one event loop, and of processes on one
    database. All errors are in `eventstore.errors`.

    Args:
        database: Where the log is; migrated (`eventstore.migrate`).
        upcasters: Converts events of older schema versions when they are read.
    """

    def __init__(self, database: Database, *, upcasters: Upcasters | None = None) -> None:
        super().__init__(database, Fence(database), upcasters)
        self._announcer = Announcer(lambda: database.execute(STATEMENTS["announce"]))
        self._listed = ListedSources()
        self._coalescer = Coalescer(self._write_each)

    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion = ANY
    ) -> Appended:
        """Append events to one stream, all or none of them, durably.

        Idempotent: appending the same events to the same stream again returns the first result,
        marked as a duplicate, whatever the expected version is by then. After an
        `Unavailable`, ambiguous or not, append the same events again.

        Raises:
            WrongExpectedVersion: The stream is not as expected.
            Conflict: One of the events is stored with another body, in another stream, or
                without the rest of this batch.
            InvalidEvent: The append can never be stored.
            Unavailable: The database did not answer; the events may have been stored.
        """
        member = prepare(StreamAppend(stream, events, expected))
        try:
            result = await self._coalescer.submit(member)
        except StatementFailed as error:
            raise _refusal(error) from error
        if isinstance(result, AppendRefused):
            raise result
        return result

    async def append_many(
        self, appends: Sequence[StreamAppend], *, connection: Connection | None = None
    ) -> list[Appended]:
        """Append to many streams, all or nothing, each with its own expectation.

        The appends are judged in their order, each after those before it. On a caller's
        ``connection`` this is part of the caller's transaction (READ COMMITTED), which a
        refusal leaves usable, and the caller must call `announce` after the commit.

        Raises:
            AppendRefused: One of them was refused; the first refusal is raised.
            InvalidEvent: One of them can never be stored.
            Unavailable: As in `append`.
        """
        members = [prepare(append) for append in appends]
        if not members:
            return []
        try:
            if connection is not None:
                return await self._all_or_nothing(connection, members)
            done = await self._attempt(members, all_or_nothing=True)
        except StatementFailed as error:
            raise _refusal(error) from error
        return _accepted(done)

    async def append_each(
        self, appends: Sequence[StreamAppend], *, connection: Connection | None = None
    ) -> list[Appended | AppendRefused]:
        """Append to many streams in one commit; each append is judged separately.

        Refusals are returned as values in place of a result. A refused append neither aborts the
        (caller's) transaction nor prevents the others from being written. Positions
        follow the order of the appends.

        Raises:
            InvalidEvent: One of them can never be stored; nothing was written.
            Unavailable: As in `append`.
        """
        members = [prepare(append) for append in appends]
        if not members:
            return []
        try:
            if connection is not None:
                return await append_on(connection, members, self._listed, all_or_nothing=False)
            return await self._write_each(members)
        except StatementFailed as error:
            raise _refusal(error) from error

    def prepare_each(self, appends: Sequence[StreamAppend]) -> AppendStatement | None:
        """Return `append_each` as arguments, for a function in the database that does more than append.

        That function calls ``append_events`` (``sql/migrations/0002_append.sql``), as a whole transaction,
        and the caller calls `committed` and `announce` after it. None: one event occurs twice, so that it takes
        several statements.

        Raises:
            InvalidEvent: One of them can never be stored.
        """
        members = [prepare(append) for append in appends]
        if len(rounds(members)) > 1:
            return None
        sources = self._listed.missing(members)
        return AppendStatement([sources, *arguments_of(members)], sources or ())

    def committed(self, statement: AppendStatement) -> None:
        """Keep what a statement of `prepare_each` has listed."""
        self._listed.add(statement.sources)

    def announce(self, *, within: float = 0.0) -> None:
        """Notify the subscriptions of all processes of new events, within about so many seconds; never waits.

        Appends on the store's own connections do this themselves. A caller that appends on its
        own connection calls it after the commit; without it, subscriptions notice a little later.
        """
        self._announcer.announce(within=within)

    async def aclose(self) -> None:
        """Wait until the last announcement is sent; the caller closes the database."""
        await self._announcer.flush()

    def subscribe(
        self,
        *,
        after: int = 0,
        uid: UUID | None = None,
        where: Filter = EVERYTHING,
        batch_size: int = 500,
    ) -> Subscription:
        """Follow the log from a position: catch up, then receive new events, missing none.

        See `eventstore.subscription` for the guarantees and their proof.

        Args:
            after: Yield only events above this position, which must have been drawn by this log.
            uid: The event at that position, for readers that keep their position outside this
                database: `CheckpointMismatch` is raised if the log was restored meanwhile.
            where: Which events.
            batch_size: The most events of a batch.
        """
        return Subscription(
            self._database,
            self._fence,
            after=after,
            uid=uid,
            where=where,
            batch_size=batch_size,
            decode=self._decode,
        )

    async def fence_status(self) -> FenceStatus:
        """Return how far the log is final, the last drawn position, and the blocking transactions."""
        return await self._fence.status()

    async def _write_each(
        self, members: Sequence[PreparedAppend]
    ) -> list[Appended | AppendRefused]:
        return await self._attempt(members, all_or_nothing=False)

    async def _attempt(
        self, members: Sequence[PreparedAppend], *, all_or_nothing: bool
    ) -> list[Appended | AppendRefused]:
        """Write a batch in its own commit; repeat it if it loses a race."""
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
        self, members: Sequence[PreparedAppend], *, all_or_nothing: bool
    ) -> list[Appended | AppendRefused]:
        turns = rounds(members)
        if len(turns) == 1:  # one statement, which commits on its own
            async with self._database.connection() as connection:
                return await append_on(
                    connection,
                    members,
                    self._listed,
                    all_or_nothing=all_or_nothing,
                    turns=turns,
                )
        async with self._database.transaction() as connection:
            if all_or_nothing:
                return list(await self._all_or_nothing(connection, members))
            return await append_on(
                connection, members, self._listed, all_or_nothing=False, turns=turns
            )

    async def _all_or_nothing(
        self, connection: Connection, members: Sequence[PreparedAppend]
    ) -> list[Appended]:
        turns = rounds(members)
        if len(turns) == 1:
            return await self._append_all(connection, members, turns)
        async with connection.transaction():
            return await self._append_all(connection, members, turns)

    async def _append_all(
        self,
        connection: Connection,
        members: Sequence[PreparedAppend],
        turns: Sequence[Sequence[int]],
    ) -> list[Appended]:
        return _accepted(
            await append_on(connection, members, self._listed, all_or_nothing=True, turns=turns)
        )


def _refusal(error: StatementFailed) -> EventStoreError:
    """Return the error of the append for a failed statement."""
    if error.is_about_values:
        return InvalidEvent(f"the database refuses an event of the append: {error}")
    return error


def _accepted(results: Sequence[Appended | AppendRefused]) -> list[Appended]:
    accepted = []
    for result in results:
        if isinstance(result, AppendRefused):
            raise result
        accepted.append(result)
    return accepted
