"""Follow the log."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from eventstore.appending import STATEMENTS
from eventstore.database import Connection, Database, Row
from eventstore.errors import CheckpointMismatch, Deposed, Unavailable
from eventstore.events import StoredEvent
from eventstore.fence import Fence
from eventstore.filters import Filter
from eventstore.leases import Lease
from eventstore.reading import pages, walk_for

_log = logging.getLogger(__name__)

_RETRY: Final = 0.25
"""Seconds before a page is asked for again after the database was lost."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of the log.

    Attributes:
        events: What the filter let pass, in position order; may be empty.
        through: Everything at or below this position is final and has been delivered: this is
            what to save as the checkpoint once the events are dealt with.
    """

    events: list[StoredEvent]
    through: int


class Subscription:
    """One reader's way through the log; made by `EventStore.subscribe`.

    Use as an async context manager, or call `aclose`. For one task at a time.
    """

    def __init__(
        self,
        database: Database,
        fence: Fence,
        *,
        after: int,
        where: Filter,
        batch_size: int,
        decode: Callable[[Row], StoredEvent],
    ) -> None:
        self._database = database
        self._fence = fence
        self._position = after
        self._where = where
        self._walk = walk_for(where, "forward")
        self._batch_size = batch_size
        self._decode = decode
        self._version = 0
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
        """Yield the log from the start position on, and never end.

        Each position is delivered once, in order. A database that is lost for a while delays
        the next batch; a failure that does not pass is raised.

        Raises:
            NotMigrated: There is no log.
        """
        self._join()
        while True:
            through = await self._fence.beyond(self._position)
            try:
                async with aclosing(self._stretch(through)) as stretch:
                    async for batch in stretch:
                        self._position = batch.through
                        yield batch
            except Unavailable as error:
                _log.warning("reading the log: %s; trying again", error)
                await asyncio.sleep(_RETRY)

    def _join(self) -> None:
        if not self._following:
            self._following = True
            self._fence.join()

    async def _stretch(self, through: int) -> AsyncGenerator[Batch]:
        """Yield what is between the position and a final one, the last batch reaching it."""
        walk = self._walk
        if walk.key == "version":
            after = await self._version_at(self._position)
            until = await self._version_at(through)
        else:
            after, until = self._position, through
        held: list[Row] | None = None
        async with aclosing(
            pages(self._database, walk, after, until, rows=self._batch_size)
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

    async def _version_at(self, position: int) -> int:
        return int(
            await self._database.fetchval(
                STATEMENTS["version_at"], self._where.stream, position
            )
        )


class Checkpoints:
    """How far readers have come, by name, kept beside the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, name: str) -> int | None:
        """Return the position that was saved under a name, None if none was.

        Raises:
            CheckpointMismatch: It is from another incarnation of the store, or ahead of the
                log: this is a restored backup, and what the position means has changed.
        """
        row = await self._database.fetchrow(STATEMENTS["load_checkpoint"], name)
        if row is None:
            return None
        position: int = row["position"]
        if not row["same_incarnation"]:
            raise CheckpointMismatch(
                f"checkpoint {name!r} at {position} is from another incarnation of the store: "
                "find out what was restored, then save the position to go on from"
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
            Deposed: The lease is not held any more, or a later epoch has saved already.
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
            raise Deposed(
                f"checkpoint {name!r} has been moved under a later epoch than {epoch}"
            )
