"""Runs: those that routes started."""

from datetime import UTC, datetime
from typing import Literal, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bridge.console.parts import Parts
from bridge.console.rendering import page
from bridge.console.temporal_links import run_link
from bridge.inspect.runs import RunQuery, find_runs

_PAGE = 50


async def show(request: Request) -> Response:
    """``/runs``."""
    parts: Parts = request.app.state.parts
    asked = {
        name: request.query_params.get(name, "").strip()
        for name in ("state", "route", "workflow")
    }
    state = asked["state"] if asked["state"] in ("open", "closed") else None
    found = await find_runs(
        parts.database,
        RunQuery(
            state=cast("Literal['open', 'closed'] | None", state),
            route=asked["route"] or None,
            workflow=asked["workflow"] or None,
        ),
        _PAGE,
        before=_moment(request.query_params.get("before")),
    )
    return page(
        request,
        "runs.html",
        runs=found.runs,
        found=found,
        asked=asked,
        is_followed=parts.settings.closures.enabled,
        run_link=lambda run: run_link(
            parts.settings, run.namespace, run.workflow_id, run.latest or run.run_id
        ),
    )


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise HTTPException(400, "before is not a time") from error
    if found.tzinfo is None:
        raise HTTPException(400, "before has no time zone")
    try:
        return found.astimezone(UTC)
    except OverflowError as error:
        raise HTTPException(400, "before is not a time of this calendar") from error
