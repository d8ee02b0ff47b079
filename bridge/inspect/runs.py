"""Runs: the workflow runs that routes started, as the closure tracker knows them."""

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import msgspec

from bridge.sql import STATEMENTS
from eventstore.database import Database

_END = datetime.max.replace(tzinfo=UTC)


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run that a route started.

    ``state`` is ``open``, ``announced`` (its end is a result event), ``foreign`` (no event started it) or
    ``lost`` (Temporal no longer knows it). ``latest`` is the last run of its chain.
    """

    run_id: str
    workflow_id: str
    namespace: str
    latest: str
    uid: UUID
    event_id: str | None
    route: str
    state: str
    noted_at: datetime
    ended_at: datetime | None
    reason: str | None


class RunQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions on runs that must all hold."""

    state: Literal["open", "closed"] | None = None
    route: str | None = None
    workflow: str | None = None
    """A workflow id."""


async def find_runs(
    database: Database, query: RunQuery, limit: int, *, before: datetime | None = None
) -> list[RunRow]:
    """Return runs, the latest first, noted before a time."""
    async with database.connection() as connection:
        rows = await connection.fetch_planned(
            STATEMENTS["list_runs"],
            before or _END,
            query.state,
            query.route,
            query.workflow,
            limit,
        )
    return [RunRow(**dict(row)) for row in rows]
