"""The last hour by minute, read whole once, and from then on only where it can have changed."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from bridge.inspect.activity import (
    Activity,
    MinuteEvents,
    MinuteOutcome,
    RouteOutcomes,
    RouteTimes,
)

SPAN = timedelta(hours=1)
"""How far back it goes."""
_MARGIN = timedelta(minutes=2)
"""Rows have their time before they are committed; no transaction takes that long."""
_COUNTED_AS = {
    "done": "done",
    "duplicate": "done",
    "skipped": "skipped",
    "merged": "merged",
    "collision": "collided",
    "dead": "dead",
}


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour; minutes without anything are left out."""

    outcomes: list[MinuteOutcome] = []
    events: list[MinuteEvents] = []
    routes: list[RouteOutcomes] = []


class LastHour:
    """Reads the last hour of one database again and again, for one caller at a time."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._read_at: datetime | None = None
        self._hour = Hour()

    async def read(self, now: datetime) -> Hour:
        """Return the hour before ``now``, which is the database's time.

        Raises:
            Unavailable: The database cannot be reached.
        """
        since = _minute(now - SPAN)
        start = since
        if self._read_at is not None and self._read_at <= now:
            start = max(since, _minute(self._read_at - _MARGIN))
        outcomes = await self._activity.outcomes_by_minute(start)
        events = await self._activity.events_by_minute(start)
        times = await self._activity.times_by_route(since)
        before = self._hour
        outcomes = [
            *(each for each in before.outcomes if since <= each.minute < start),
            *outcomes,
        ]
        self._hour = Hour(
            outcomes=outcomes,
            events=[*(each for each in before.events if since <= each.minute < start), *events],
            routes=by_route(outcomes, times),
        )
        self._read_at = now
        return self._hour


def by_route(
    outcomes: Iterable[MinuteOutcome], times: Iterable[RouteTimes]
) -> list[RouteOutcomes]:
    """Return the outcomes of each route, with the times of its newest ones."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for each in outcomes:
        counts[each.route]["settled"] += each.dispatches
        counts[each.route][_COUNTED_AS[each.state]] += each.dispatches
    timed = {each.route: each for each in times}
    return [
        RouteOutcomes(
            route=route,
            **counts[route],
            median=timed[route].median if route in timed else None,
            p95=timed[route].p95 if route in timed else None,
            last=timed[route].last if route in timed else None,
        )
        for route in sorted(counts)
    ]


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
