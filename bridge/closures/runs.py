"""`OpenRuns`: the table of runs that routes started, until their closures are recorded."""

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
    """A run whose end is not recorded yet."""

    run_id: str
    workflow_id: str
    latest: str
    """The last known run of its chain."""
    uid: UUID
    """The event whose dispatch started it."""
    route: str
    bare: bool
    """Whether the closure event omits its result."""


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """The outcome of checking a run, to be written to the table."""

    run: OpenRun
    state: RunState
    latest: str
    reason: str | None = None
    pause: float | None = None
    """Seconds until the next check; None: computed from its age."""


class OpenRuns:
    """The runs of one namespace in the table.

    Args:
        database: Holds the table.
        namespace: The namespace, as plans call it.
    """

    def __init__(self, database: Database, namespace: str) -> None:
        self._database = database
        self._namespace = namespace

    async def oldest(self) -> datetime | None:
        """Return when the oldest open run was inserted, None when there is none."""
        noted: datetime | None = await self._database.fetchval(
            STATEMENTS["oldest_open_run"], self._namespace
        )
        return noted

    async def now(self) -> datetime:
        """Return the database's time."""
        now: datetime = await self._database.fetchval(STATEMENTS["now"])
        return now

    async def due(self, closed: Sequence[str], most: int, sweep: int) -> list[OpenRun]:
        """Return the runs to check now.

        Args:
            closed: Run ids that Temporal lists as closed.
            most: Maximum number of these.
            sweep: Maximum number of others, those whose last check is the oldest first.
        """
        rows = await self._database.fetch(
            STATEMENTS["due_runs"], list(closed), most, sweep, self._namespace
        )
        return [OpenRun(**dict(row)) for row in rows]

    @staticmethod
    async def settle(connection: Connection, found: Sequence[CheckedRun]) -> int:
        """Write the outcomes of checks, in the caller's transaction.

        Returns:
            How many dispatches got a slot that a run had.
        """
        ordered = sorted(found, key=lambda each: each.run.run_id)
        granted = await connection.fetchval(
            STATEMENTS["settle_runs"],
            [each.run.run_id for each in ordered],
            [each.state for each in ordered],
            [each.latest for each in ordered],
            [each.reason for each in ordered],
            [each.pause for each in ordered],
        )
        return int(granted)
