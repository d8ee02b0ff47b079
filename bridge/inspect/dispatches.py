"""Dispatches: a list by state, route and target; one by its number."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from bridge.inspect.waiting import DispatchState, holds, waits_for
from bridge.pauses import Pauses
from bridge.sql import STATEMENTS
from eventstore.database import Database, Row


class DispatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """One dispatch."""

    id: int
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
    together: str | None = None
    """With which other events of a window it is called, in words."""
    slot: str | None = None
    """The slot that it waits for or holds, in words."""
    waits_for: str | None = None
    """What it waits for, in words; None if only for its next attempt."""
    holds: list[str] = []
    """What holds it up, in words, the first obstacle first; nothing if it is settled."""


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
    return await _answered(database, rows)


async def find_dispatch(database: Database, number: int) -> DispatchRow | None:
    """Return the dispatch of a number; None if there is none."""
    rows = await database.fetch(STATEMENTS["get_dispatch"], number)
    return next(iter(await _answered(database, rows)), None)


async def _answered(database: Database, rows: Sequence[Row]) -> list[DispatchRow]:
    """Return rows with what holds them up."""
    if not rows:
        return []
    held, now = await Pauses(database).held(), await database.fetchval(STATEMENTS["now"])
    found = [DispatchRow(**dict(row)) for row in rows]
    return [
        msgspec.structs.replace(
            each,
            waits_for=waits_for(
                state=each.state,
                target=each.target,
                waiting_until=each.waiting_until,
                key=each.key,
                ahead=each.ahead,
                together=each.together,
                slot=each.slot,
            ),
            holds=holds(each, now, held.by_route(each.route)),
        )
        for each in found
    ]
