"""The runs that routes started, as the table keeps them until their ends are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database

RunState = Literal["open", "announced", "foreign", "lost"]


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that is watched."""

    run_id: str
    workflow_id: str
    latest: str
    """The run that goes on in its stead, as far as known."""
    uid: UUID
    """Of the event whose dispatch noted it."""
    route: str
    bare: bool
    """Whether its result is left out of the event."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a run came to."""

    run: OpenRun
    state: RunState
    latest: str
    reason: str | None = None
    pause: float | None = None
    """Seconds until the next look; None: as follows from its age."""


class OpenRuns:
    """The table of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def oldest(self) -> datetime | None:
        """Return when the oldest of the watched runs was noted, None when none is watched."""
        noted: datetime | None = await self._database.fetchval(STATEMENTS["oldest_open_run"])
        return noted

    async def now(self) -> datetime:
        """Return the database's time."""
        now: datetime = await self._database.fetchval(STATEMENTS["now"])
        return now

    async def due(self, closed: Sequence[str], most: int, sweep: int) -> list[OpenRun]:
        """Return the runs to look at now.

        Args:
            closed: Runs that are said to be closed.
            most: How many of these.
            sweep: How many of the others, those that were not looked at for the longest time.
        """
        rows = await self._database.fetch(STATEMENTS["due_runs"], list(closed), most, sweep)
        return [OpenRun(**dict(row)) for row in rows]

    @staticmethod
    async def settle(connection: Connection, found: Sequence[Found]) -> None:
        """Write what looks came to, in the caller's transaction."""
        ordered = sorted(found, key=lambda each: each.run.run_id)
        await connection.execute(
            STATEMENTS["settle_runs"],
            [each.run.run_id for each in ordered],
            [each.state for each in ordered],
            [each.latest for each in ordered],
            [each.reason for each in ordered],
            [each.pause for each in ordered],
        )
