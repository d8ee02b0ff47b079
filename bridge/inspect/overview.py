"""The overview: is it well, and if not, where."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

import msgspec

from bridge.health.doctor import Survey, survey
from bridge.health.flow_checks import leases_by_kind
from bridge.health.snapshot import SourceState, StoreState, StreamState
from bridge.inspect.activity import (
    Activity,
    MinuteEvents,
    MinuteOutcome,
    RouteOutcomes,
    RoutePending,
    StuckLane,
)
from bridge.inspect.failures import FailureGroup, Failures
from bridge.inspect.last_hour import Hour, LastHour
from bridge.pauses import Pause, Pauses
from bridge.runtime.findings import Finding, is_ready
from bridge.settings.sources import Loaded
from bridge.sql import STATEMENTS
from eventstore.database import Database

_MAX_LANES = 20
_MAX_FAILURES = 10


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The state of all daemons together, and the last hour.

    ``leases`` are the number of held leases by kind, for each daemon.
    """

    at: datetime
    ready: bool
    findings: list[Finding]
    sources: list[SourceState]
    streams: list[StreamState]
    store: StoreState | None
    leases: Mapping[str, Mapping[str, int]]
    lanes: list[StuckLane]
    failures: list[FailureGroup]
    pauses: list[Pause]
    routes: list[RouteOutcomes]
    pending: list[RoutePending]
    outcomes: list[MinuteOutcome]
    events: list[MinuteEvents]

    @property
    def problems(self) -> list[Finding]:
        """The findings that are not ok, the failed ones first."""
        found = [each for each in self.findings if each.state != "ok"]
        return sorted(found, key=lambda each: each.state != "failed")


async def overview(
    loaded: Loaded, database: Database, hour: LastHour | None = None
) -> Overview:
    """Probe the servers and read the tables once.

    Args:
        loaded: The settings.
        database: Where the tables are.
        hour: The last hour, for a caller that asks again and again.

    Raises:
        Unavailable: The database cannot be reached.
    """
    now = await database.fetchval(STATEMENTS["now"])
    hour = hour or LastHour(Activity(database))
    seen, tables = await asyncio.gather(survey(loaded), _tables(database, hour, now))
    return _joined(now, seen, tables)


class _Tables(msgspec.Struct, frozen=True, kw_only=True):
    lanes: list[StuckLane]
    pauses: list[Pause]
    failures: list[FailureGroup]
    pending: list[RoutePending]
    hour: Hour


async def _tables(database: Database, hour: LastHour, now: datetime) -> _Tables:
    activity = Activity(database)
    # One after another: a page that people look at must not take several connections.
    return _Tables(
        lanes=await activity.stuck_lanes(_MAX_LANES),
        pauses=(await Pauses(database).held()).all,
        failures=await Failures(database).groups(_MAX_FAILURES),
        pending=await activity.pending_by_route(),
        hour=await hour.read(now),
    )


def _joined(now: datetime, seen: Survey, tables: _Tables) -> Overview:
    store = seen.snapshot.store
    held = {} if store is None else store.leases
    owners = sorted({owner for owner in held.values() if owner})
    return Overview(
        at=now,
        ready=is_ready(seen.findings),
        findings=seen.findings,
        sources=list(seen.snapshot.sources),
        streams=list(seen.snapshot.streams),
        store=store,
        leases={
            owner: leases_by_kind(name for name, holder in held.items() if holder == owner)
            for owner in owners
        },
        lanes=tables.lanes,
        failures=tables.failures,
        pauses=tables.pauses,
        routes=tables.hour.routes,
        pending=tables.pending,
        outcomes=tables.hour.outcomes,
        events=tables.hour.events,
    )
