"""Removals: take the bodies of events, and leave their rows as tombstones.

A removal *prunes* (by age) or *erases* (for a person). It takes the data of an event, and attributes
that the caller chooses. The row stays, with uid, stream, version, position, time, type, links and
digest: so a repeat of the event is still recognised, versions and positions count on, and followers
of the log still get it, with `StoredEvent.removal` naming the removal.

The rows of such events may be *deleted* much later, when no repeat can come any more; never the last
one of a stream, so that versions count on. Their positions are written down in the same commit, so a
reader that stopped at one of them continues (`eventstore.subscription`).

Who did it, when and why is in the table ``removals`` for ever. Only the owner of the tables may call
it; triggers check each row for anyone. It does not know which events are still needed: the caller does
(`bridge.history.removal`).

**It holds up readers for one batch at most.** An UPDATE takes the lock that the fence of
`eventstore.subscription` waits for. So a batch is one statement of its own, ends itself after
`BATCH_MILLISECONDS`, and does not wait for the disk when it commits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from eventstore.appending import STATEMENTS
from eventstore.database import Connection, Database, Row

BATCH_MILLISECONDS: Final = 60
"""After which a batch ends itself; with its last row it stays below 100."""

Kind = Literal["pruned", "erased", "deleted"]


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """One removal.

    Attributes:
        id: Its number, as tombstones have it.
        kind: ``pruned``, ``erased``, or ``deleted``: of rows.
        selection: Which events, as JSON; for a person a digest.
        who: Who asked for it.
        why: The reason.
        incarnation: The incarnation of the store whose positions it has.
        through: The last position that it looks at.
        position: Everything at or below is done.
        events: How many bodies it has removed, or rows it has deleted.
        archive: The URL of the bodies; None if they were not archived.
        remarks: What it could not reach.
        began_at: When it began.
        finished_at: When it ended; None if it was interrupted or still runs.
    """

    id: int
    kind: Kind
    selection: dict[str, object]
    who: str
    why: str
    incarnation: UUID
    through: int
    position: int
    events: int
    archive: str | None
    remarks: tuple[str, ...]
    began_at: datetime
    finished_at: datetime | None


class Removals:
    """The removals of one store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self,
        kind: Kind,
        selection: dict[str, object],
        *,
        who: str,
        why: str,
        after: int,
        through: int,
        archive: str | None = None,
    ) -> Removal:
        """Insert a new removal and return it."""
        number = await self._database.fetchval(
            STATEMENTS["begin_removal"],
            *(kind, _json(selection), who, why, through, after, archive),
        )
        return (await self.get([number]))[number]

    async def get(self, numbers: Sequence[int]) -> dict[int, Removal]:
        """Return removals by their numbers."""
        rows = await self._database.fetch(STATEMENTS["get_removals"], list(numbers))
        return {row["id"]: _removal(row) for row in rows}

    async def latest(self, limit: int, *, unfinished: bool = False) -> list[Removal]:
        """Return removals, latest first."""
        rows = await self._database.fetch(STATEMENTS["list_removals"], unfinished, limit)
        return [_removal(row) for row in rows]

    async def erasures(self) -> frozenset[int]:
        """Return the numbers of the removals that erased."""
        rows = await self._database.fetch(STATEMENTS["erasures"])
        return frozenset(row["id"] for row in rows)

    async def digests(self, positions: Sequence[int]) -> dict[int, bytes]:
        """Return the digests of events, as they were appended, by position."""
        rows = await self._database.fetch(STATEMENTS["digests_of"], list(positions))
        return {row["position"]: row["digest"] for row in rows}

    async def deleted_among(self, positions: Sequence[int]) -> frozenset[int]:
        """Return those of some positions whose events had rows that were deleted."""
        rows = await self._database.fetch(STATEMENTS["deleted_among"], list(positions))
        return frozenset(row["position"] for row in rows)

    async def any_rows_deleted(self) -> bool:
        """Return whether any row was ever deleted."""
        return bool(await self._database.fetchval(STATEMENTS["any_rows_deleted"]))

    async def deleted_before(self) -> datetime | None:
        """Return the time such that rows of events recorded before it may be deleted; None: no rows are."""
        found: datetime | None = await self._database.fetchval(STATEMENTS["deleted_before"])
        return found

    async def advance(
        self, removal: Removal, position: int, events: int, connection: Connection | None = None
    ) -> None:
        """Note that everything at or below a position is done, and how many bodies or rows that took."""
        run = self._database if connection is None else connection
        await run.execute(STATEMENTS["note_removal"], removal.id, position, events)

    async def finish(self, removal: Removal, remarks: Sequence[str] = ()) -> None:
        """Note the end of a removal."""
        await self._database.execute(
            STATEMENTS["finish_removal"], removal.id, _json(list(remarks))
        )


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def _removal(row: Row) -> Removal:
    return Removal(
        **{
            **dict(row),
            "incarnation": UUID(int=row["incarnation"].int),
            "selection": msgspec.json.decode(row["selection"], type=dict[str, object]),
            "remarks": tuple(msgspec.json.decode(row["remarks"], type=list[str])),
        }
    )
