"""Subscriptions: follow the log without missing an event, and the proof of that.

Positions are drawn before commits. A writer may draw 7, another draw 8 and commit; a reader that
has seen 8 and asks for what is above it never sees 7. (Measured: such a reader misses 23 to 30 %
of the events under load; ``tests/integration/eventstore/test_no_miss.py`` runs one for comparison.)
So a reader must know up to where the log is *final*: a position F such that no event at or below
F can become visible that is not visible already. This module reads up to F and no further;
`eventstore.fence` finds F.

The lock fence
--------------

1.  One statement reads L, the last value that the positions' sequence has given out.
2.  A second, *later* statement notes H: every virtual transaction, prepared ones included, that
    holds RowExclusiveLock on the table ``events`` (``pg_locks``).
3.  Wait until none of H is among the holders any more.
4.  A third, later statement, READ COMMITTED on the primary, reads the events at or below L.

Claim: an event at or below L that step 4 does not see will never be.

    writer   ──lock──draw p──insert───────────commit─┐visible┌─unlock──
    fence         1: L ≥ p      2: H ∋ writer        │       │   3: gone   4: sees p

*Proof.* Let an event with position p ≤ L be committed by transaction T, at any time.

- Positions are drawn by the INSERT itself: the column is an identity column (GENERATED ALWAYS,
  CACHE 1) and no role but the owner may set it or call ``nextval``. Values leave the sequence in
  rising order, without a reserve in any session. So T drew p before step 1 read L ≥ p.
- An INSERT locks its table, RowExclusiveLock, when it is planned or its plan is taken up, before
  the first row is made. So T held the lock before it drew p, hence before step 1.
- The lock is T's until T ends; no statement lets it go. (A rolled-back savepoint does, and its
  rows with it: those are never committed.)
- Step 2 comes after step 1. Either T still held the lock in step 2: then it is in H, since
  ``pg_locks`` shows the fast-path locks of every process and those in the shared table, the former
  first, and a lock only ever moves from there to the table. Or T had ended before step 2.
- If it is in H, step 3 waited for its end: virtual transaction ids are not used twice by a
  running server, so a name in H that is gone has ended.
- Either way T has ended before step 4 begins. A transaction becomes visible to new snapshots
  *before* it releases its locks (``CommitTransaction``: ``ProcArrayEndTransaction`` comes before
  ``ResourceOwnerRelease``; ``COMMIT PREPARED`` keeps the same order). So the snapshot of step 4,
  taken after that, sees T's rows. ∎

Nothing depends on time. A slow writer blocks F until it ends, which delays readers but makes them
miss nothing; `EventStore.fence_status` names it. Transactions on other tables or in
other databases do not matter (a reader based on the oldest running xid would wait for those).

What the proof requires, and what ensures it:

- *two statements, in this order*: the first two of ``fence_mark()``; neither the sequence nor
  ``pg_locks`` is read through a snapshot, so the order of execution decides. If H is empty, there is nothing to
  wait for, and its third statement finds F.
- *the primary*: a standby does not know the writers' locks; ``fence_mark()`` refuses it.
- *one server*: steps 1 to 4 are about one server. A pool's connections may end on several (two hosts
  in the connection string, a balancer, a failover), and a standby whose replay is paused shows in step
  4 a log that lacks what step 3 waited for. So F is kept together with the server it was found on, and
  each page, in its own statement, requires that server (``on_server``); any other is an error, and
  the page is read again after the fence has read the new server's locks.
- *READ COMMITTED*: each page is a separate statement, outside any older snapshot. So is the third statement
  of ``fence_mark()``: each statement of a VOLATILE function has a snapshot of its own.
- *an unpartitioned table*: an INSERT into a partition locks that partition only.

After a crash
-------------

A sequence's advance is on disk only when some commit behind it is. Positions drawn by appends that
were rolled back may be drawn again after a crash of the server, by other events. So L itself cannot
be used. F is the position of the highest *visible event* at or below L: its commit,
and with it the sequence's advance to it, was on disk before it became visible, and it will never
be drawn again. And marks (L, H) are dropped with their connection, because the virtual transactions
of a restarted server are others. (This needs ``synchronous_commit`` not to
be ``off`` for those who append, as does trusting any acknowledged append.)
``tests/crash/eventstore/test_killed_server.py`` makes a server draw positions again.

What a subscriber gets
----------------------

Every committed event after its start, once, in position order, in batches; ``Batch.through`` is F
or the last event of a page, and it advances over events that the filter excludes. Saving ``through`` as
the checkpoint after handling the batch gives at-least-once over restarts, and exactly once if both
are one transaction. Gaps are normal: a rolled-back append leaves its positions unused.

Waking: NOTIFYs, sent after commits and many at a time (`eventstore.announcer`), on a channel of this
very table; also a poll every half second, in case one is lost. Marks are pipelined: while one waits,
the fence polls every few milliseconds, so a mark waits for the writers that it met and for no later
ones. A lost connection is reopened, with its LISTEN.

When things fail:

- *the subscriber dies*: it starts again from its checkpoint.
- *the database is unavailable*: batches stop, and the subscription retries until it is available.
- *another server takes over*: the fence starts with new marks. If the server has the event at F,
  reading continues from there. If not, committed events are lost and their positions may be drawn
  by others, which a reader at F would never get: `HistoryLost` is raised, and nothing is skipped
  silently. One exception: a server that is being killed lets transactions that wait for a standby end, and one statement
  may still see them. They were never committed. So if no follower has reached F, and the server has not answered
  after that statement, F goes back to where it was before.
- *a writer hangs*: F does not move. Statement and idle-in-transaction timeouts of the store's own
  connections end such writers; others are named by ``fence_status``.
- *the event at its start position is gone*: if its row was deleted (`eventstore.removals`), reading
  continues after it; nothing tells which event it was.
- *the store is restored from a backup*: positions above the backup's head will be of other events.
  ``renew_incarnation`` is required after every restore, and makes `Checkpoints.load` refuse the old ones.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from eventstore.appending import STATEMENTS
from eventstore.database import Connection, Database, Row
from eventstore.errors import CheckpointMismatch, Deposed, Unavailable
from eventstore.events import StoredEvent
from eventstore.fence import Fence
from eventstore.filters import Filter
from eventstore.leases import Lease
from eventstore.marks import Final, is_event
from eventstore.paging import pages, walk_for

_log = logging.getLogger(__name__)

_RETRY = 0.25
"""Seconds before a page is requested again after the database was lost."""


_WHY = (
    "the log has been restored from a backup, or a standby was promoted that had not received all "
    "commits"
)


@dataclass(frozen=True, slots=True)
class Batch:
    """A range of the log.

    Attributes:
        events: The events that pass the filter, in position order; may be empty.
        through: Positions at or below it are final and delivered: save it as the checkpoint after
            handling the events.
    """

    events: list[StoredEvent]
    through: int


class Subscription:
    """One reader of the log; created by `EventStore.subscribe`.

    Use as an async context manager, or call `aclose`. For one task at a time.
    """

    def __init__(
        self,
        database: Database,
        fence: Fence,
        *,
        after: int,
        uid: UUID | None,
        where: Filter,
        batch_size: int,
        decode: Callable[[Row], StoredEvent],
    ) -> None:
        self._database = database
        self._fence = fence
        self._position = after
        self._uid = uid
        self._where = where
        self._walk = walk_for(where, "forward")
        self._batch_size = batch_size
        self._decode = decode
        self._following = False

    async def __aenter__(self) -> Self:
        self._join()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop following; may be called twice."""
        if self._following:
            self._following = False
            await self._fence.leave()

    async def batches(self) -> AsyncGenerator[Batch]:
        """Yield the log from the start position, without end.

        Each position is delivered once, in order. While the database cannot be reached, the next
        batch is delayed; an error that is not transient is raised.

        Raises:
            CheckpointMismatch: The start position, or its event, is not in this log.
            HistoryLost: The current server lacks events that were final before.
            NotMigrated: The tables are missing.
        """
        self._join()
        await self._require_known()
        while True:
            final = await self._fence.beyond(self._position)
            try:
                async with aclosing(self._range(final)) as batches:
                    async for batch in batches:
                        if not self._fence.reach(batch.through, final):
                            break
                        self._position = batch.through
                        yield batch
            except Unavailable as error:
                _log.warning("reading the log: %s; trying again", error)
                await asyncio.sleep(_RETRY)

    def _join(self) -> None:
        if not self._following:
            self._following = True
            self._fence.join(self._position)

    async def _require_known(self) -> None:
        """Refuse a start position that this log has not drawn, or has given to another event.

        New events could get positions below it, and would never be delivered.
        """
        while self._position:
            try:
                last = await self._database.fetchval(STATEMENTS["fence_mark"])
                here = await self._database.fetchrow(STATEMENTS["uid_at"], self._position, None)
            except Unavailable as error:
                _log.warning("reading the log: %s; trying again", error)
                await asyncio.sleep(_RETRY)
                continue
            if self._position > last:
                raise CheckpointMismatch(
                    f"position {self._position} is ahead of the log, which ends at {last}: {_WHY}"
                )
            if self._uid is not None and not is_event(here, self._uid):
                other = None if here is None else here["uid"]
                raise CheckpointMismatch(
                    f"position {self._position} of this log is not that of the event {self._uid}, "
                    f"but of {other or 'none'}: {_WHY}"
                )
            return

    async def _range(self, final: Final) -> AsyncGenerator[Batch]:
        """Yield the batches from the current position through a final one."""
        walk = self._walk
        through, server = final.through, final.server
        if walk.key == "version":
            after = await self._version_at(self._position, server)
            until = await self._version_at(through, server)
        else:
            after, until = self._position, through
        held: list[Row] | None = None
        async with aclosing(
            pages(self._database, walk, after, until, rows=self._batch_size, server=server)
        ) as found:
            async for page in found:
                if held is not None:
                    yield self._batch(held, held[-1]["position"])
                held = page
        yield self._batch(held or [], through)

    def _batch(self, rows: list[Row], through: int) -> Batch:
        residual = self._walk.residual
        events = [self._decode(row) for row in rows]
        if not residual.is_empty:
            events = [stored for stored in events if residual.matches(stored)]
        return Batch(events, through)

    async def _version_at(self, position: int, server: datetime | None) -> int:
        return int(
            await self._database.fetchval(
                STATEMENTS["version_at"], self._where.stream, position, server
            )
        )


class Checkpoints:
    """The positions of readers, by name, in the same database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, name: str) -> int | None:
        """Return the position saved under a name, None if there is none.

        Raises:
            CheckpointMismatch: It is from another incarnation of the store, or ahead of the
                log: a backup was restored, and the position is of another event.
        """
        row = await self._database.fetchrow(STATEMENTS["load_checkpoint"], name)
        if row is None:
            return None
        position: int = row["position"]
        if not row["same_incarnation"]:
            raise CheckpointMismatch(
                f"checkpoint {name!r} at {position} is from another incarnation of the store: "
                "find out what was restored, then save the position from which to continue"
            )
        if position > row["last"]:
            raise CheckpointMismatch(
                f"checkpoint {name!r} at {position} is ahead of the log, which ends at "
                f"{row['last']}: the log has been restored from a backup"
            )
        return position

    async def save(
        self,
        name: str,
        position: int,
        lease: Lease | None = None,
        connection: Connection | None = None,
    ) -> None:
        """Save a position, in the caller's transaction if a ``connection`` is given.

        Raises:
            Deposed: The lease is not held any more, or a later epoch has saved a position.
        """
        if connection is None:
            async with self._database.transaction() as own:
                await self._save(own, name, position, lease)
        else:
            await self._save(connection, name, position, lease)

    async def _save(
        self, connection: Connection, name: str, position: int, lease: Lease | None
    ) -> None:
        if lease is not None:
            await lease.assert_held(connection)
        epoch = 0 if lease is None else lease.epoch
        saved = await connection.fetchval(STATEMENTS["save_checkpoint"], name, position, epoch)
        if saved is None:
            raise Deposed(f"checkpoint {name!r} was saved under a later epoch than {epoch}")
