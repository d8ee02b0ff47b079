"""Replays: what was sent again, how far each has come, and how long it will take."""

from datetime import datetime
from uuid import UUID

import msgspec

from bridge.sql import STATEMENTS
from eventstore.database import Database


class ReplayRow(msgspec.Struct, frozen=True, kw_only=True):
    """One replay; ``selection`` and ``target`` are JSON."""

    id: UUID
    selection: str
    target: str
    total: int
    done: int
    state: str
    who: str
    began_at: datetime
    saved_at: datetime
    finished_at: datetime | None

    @property
    def rate(self) -> float:
        """Events a second since it began; 0 if none is done."""
        took = ((self.finished_at or self.saved_at) - self.began_at).total_seconds()
        return self.done / took if took > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None if it is finished or not known."""
        if self.state != "open" or not self.rate:
            return None
        return max(0, self.total - self.done) / self.rate


async def find_replays(database: Database, limit: int) -> list[ReplayRow]:
    """Return replays, the latest first."""
    rows = await database.fetch(STATEMENTS["list_replays"], limit)
    return [ReplayRow(**dict(row)) for row in rows]
