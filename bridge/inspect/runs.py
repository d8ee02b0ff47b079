"""Runs: the workflow runs that routes started, as the closure tracker knows them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import msgspec

from bridge.sql import STATEMENTS
from eventstore.database import Database

MAX_ROWS = 50_000
"""The most runs that one page reads."""
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


class RunPage(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one query, the latest first.

    ``more``: the time before which to go on; None if nothing is left. ``is_full`` tells whether the page is
    full; if not, so many rows were read.
    """

    runs: list[RunRow]
    more: datetime | None
    is_full: bool


async def find_runs(
    database: Database, query: RunQuery, limit: int, *, before: datetime | None = None
) -> RunPage:
    """Return runs, the latest first, noted before a time."""
    until = before or _END
    name, arguments = _statement(query, limit, until)
    async with database.connection() as connection:
        rows = await connection.fetch_planned(STATEMENTS[name], *arguments)
        runs = [RunRow(**dict(row)) for row in rows]
        if len(runs) == limit:
            return RunPage(runs=runs, more=runs[-1].noted_at, is_full=True)
        more = None
        if query.workflow is None and query.state != "open":
            more = await connection.fetchval(STATEMENTS["runs_read_back_to"], until, MAX_ROWS)
        return RunPage(runs=runs, more=more, is_full=False)


def _statement(query: RunQuery, limit: int, until: datetime) -> tuple[str, Sequence[object]]:
    """Return the name of the statement that an index serves, and its arguments."""
    if query.workflow is not None:
        arguments = (query.workflow, until, query.state, query.route, limit)
        return "list_runs_of_workflow", arguments
    if query.state == "open":
        return "list_open_runs", (until, query.route, limit)
    return "list_runs", (until, query.state, query.route, limit, MAX_ROWS)
