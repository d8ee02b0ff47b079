"""Dispatches: a list by state, route and target."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from bridge.inspect.explanation import waits_for
from bridge.sql import STATEMENTS
from eventstore.database import Database

DispatchState = Literal["open", "waiting", "done", "duplicate", "collision", "skipped", "dead"]


class DispatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """One dispatch."""

    position: int
    route: str
    operation: str
    namespace: str
    target: str
    state: DispatchState
    attempts: int
    next_attempt_at: datetime
    waiting_until: datetime | None
    error: str | None
    run_id: str | None
    daemon: str | None
    planned_at: datetime
    settled_at: datetime | None
    uid: UUID
    event_id: str | None
    key: str
    ahead: str | None
    waits_for: str | None = None
    """What it waits for, in words; None if only for its next attempt."""


async def find_dispatches(
    database: Database,
    states: Sequence[DispatchState],
    limit: int,
    *,
    route: str | None = None,
    target: str | None = None,
) -> list[DispatchRow]:
    """Return dispatches in the order of their events; if there are more than ``limit``, the latest."""
    rows = await database.fetch(
        STATEMENTS["list_dispatches"], list(states), route, target, limit
    )
    found = [DispatchRow(**dict(row)) for row in rows]
    return [msgspec.structs.replace(each, waits_for=_waits_for(each)) for each in found]


def _waits_for(row: DispatchRow) -> str | None:
    return waits_for(
        state=row.state,
        target=row.target,
        waiting_until=row.waiting_until,
        key=row.key,
        ahead=row.ahead,
    )
