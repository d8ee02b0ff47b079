"""Activity: the last hour by minute and route, pending dispatches, and lanes that are stuck."""

from datetime import datetime
from uuid import UUID

import msgspec

from bridge.inspect.waiting import waits_for
from bridge.sql import STATEMENTS
from eventstore.database import Database

MAX_ROWS = 500_000
"""The most rows that one query of the last hour reads."""
MAX_PENDING = 5_000
"""The most dispatches of one route that are counted."""
_MAX_TIMED = 20_000
_MAX_FAILING = 10_000
_MAX_LANE = 1_000


class MinuteOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The dispatches of one route that were settled in one minute with one state."""

    minute: datetime
    route: str
    state: str
    dispatches: int


class MinuteEvents(msgspec.Struct, frozen=True, kw_only=True):
    """The events that were recorded in one minute."""

    minute: datetime
    events: int


class RouteOutcomes(msgspec.Struct, frozen=True, kw_only=True):
    """The settled dispatches of one route; ``median`` and ``p95`` are seconds from plan to outcome.

    They, and ``last``, are those of the newest dispatches of all routes; None if none of this route is among them.
    """

    route: str
    settled: int = 0
    done: int = 0
    skipped: int = 0
    merged: int = 0
    collided: int = 0
    dead: int = 0
    median: float | None = None
    p95: float | None = None
    last: datetime | None = None


class RouteTimes(msgspec.Struct, frozen=True, kw_only=True):
    """The seconds from plan to outcome of one route's dispatches, and when the last was settled."""

    route: str
    median: float
    p95: float
    last: datetime


class RoutePending(msgspec.Struct, frozen=True, kw_only=True):
    """The dispatches of one route that are not settled.

    ``is_cut``: there may be more of them, and older ones; so many are not counted.
    """

    route: str
    open: int
    waiting: int
    queued: int = 0
    gathering: int = 0
    oldest: datetime
    is_cut: bool = False


class StuckLane(msgspec.Struct, frozen=True, kw_only=True):
    """A lane whose first dispatch has failed before, or waits for its target."""

    namespace: str
    key: str
    dispatches: int
    """All of this lane, counted up to 1,000."""
    since: datetime
    """When the first of them was planned."""
    id: int
    uid: UUID
    event_id: str | None
    route: str
    operation: str
    target: str
    state: str
    attempts: int
    next_attempt_at: datetime
    waiting_until: datetime | None
    error: str | None

    @property
    def waits_for(self) -> str | None:
        """What the first dispatch waits for, in words; None if only for its next attempt."""
        return waits_for(
            state=self.state,
            target=self.target,
            waiting_until=self.waiting_until,
            key=self.key,
            ahead=None,
        )


class Activity:
    """What the dispatches and events of one database did lately."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def outcomes_by_minute(self, since: datetime) -> list[MinuteOutcome]:
        """Return the settled dispatches by minute, route and state, oldest minute first."""
        rows = await self._database.fetch(STATEMENTS["outcomes_by_minute"], since, MAX_ROWS)
        return [MinuteOutcome(**dict(row)) for row in rows]

    async def times_by_route(self, since: datetime) -> list[RouteTimes]:
        """Return how long the newest settled dispatches took, by route."""
        rows = await self._database.fetch(STATEMENTS["times_by_route"], since, _MAX_TIMED)
        return [RouteTimes(**dict(row)) for row in rows]

    async def events_by_minute(self, since: datetime) -> list[MinuteEvents]:
        """Return the number of recorded events by minute, oldest first."""
        rows = await self._database.fetch(STATEMENTS["events_by_minute"], since, MAX_ROWS)
        return [MinuteEvents(**dict(row)) for row in rows]

    async def pending_by_route(self) -> list[RoutePending]:
        """Return the dispatches that are not settled, by route."""
        rows = await self._database.fetch(STATEMENTS["pending_by_route"], MAX_PENDING)
        return [RoutePending(**dict(row)) for row in rows]

    async def stuck_lanes(self, limit: int) -> list[StuckLane]:
        """Return the lanes that are stuck, the oldest first."""
        rows = await self._database.fetch(
            STATEMENTS["stuck_lanes"], _MAX_FAILING, limit, _MAX_LANE
        )
        return [StuckLane(**dict(row)) for row in rows]
