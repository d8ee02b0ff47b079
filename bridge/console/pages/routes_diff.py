"""What proposed routes would do with the stored history; the answer of ``ntbridge routes diff``."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from bridge.console.comparisons import Comparison
from bridge.console.guard import RequestForbidden, form_of
from bridge.console.pages.events import query_of
from bridge.console.parts import Parts
from bridge.console.rendering import page
from bridge.errors import BridgeError
from bridge.history.backtest.answer import cell
from bridge.history.backtest.backtest import Backtest
from bridge.history.replay.selection import Selection
from bridge.routes.loading import proposed_routes

_MAX_SHOWN_BYTES = 256 * 1024


async def show(request: Request) -> Response:
    """``/routes/diff``: the form, with the file in force."""
    parts: Parts = request.app.state.parts
    text = await asyncio.to_thread(_content, parts)
    return page(request, "routes_diff.html", text=text, since="24h")


async def begin(request: Request) -> Response:
    """``POST /routes/diff``: the first step of a comparison."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    try:
        comparison = await _comparison(parts, form)
    except (BridgeError, ValueError) as error:
        return page(request, "routes_diff_result.html", fault=str(error))
    parts.comparisons.add(comparison)
    return await _stepped(request, comparison)


async def go_on(request: Request) -> Response:
    """``POST /routes/diff/<number>``: the next step."""
    parts: Parts = request.app.state.parts
    await form_of(request)
    comparison = parts.comparisons.find(request.path_params["number"])
    if comparison is None:
        raise RequestForbidden(404, "This comparison is gone: begin it again.")
    return await _stepped(request, comparison)


async def _stepped(request: Request, comparison: Comparison) -> Response:
    parts: Parts = request.app.state.parts
    await comparison.step(parts.store)
    return page(
        request, "routes_diff_result.html", fault=None, comparison=comparison, cell=cell
    )


async def _comparison(parts: Parts, form: dict[str, str]) -> Comparison:
    """Return the comparison that a form asks for.

    Raises:
        RoutesError: The proposed routes are invalid.
        ValueError: Another field is wrong.
        BridgeError: The routes in force cannot be read.
    """
    force = await parts.routes.table_or_reason()
    if isinstance(force, str):
        raise BridgeError(f"the routes in force cannot be read: {force}")
    # In a thread: compiling hundreds of expressions takes a while.
    proposed = await asyncio.to_thread(
        proposed_routes,
        form.get("proposal", ""),
        force,
        parts.settings.temporal.names,
        closures=parts.settings.closures.enabled,
    )
    names = [each.strip() for each in form.get("routes", "").split(",") if each.strip()]
    unknown = sorted(set(names) - force.by_name.keys() - proposed.by_name.keys())
    if unknown:
        raise ValueError(f"neither file has a route {', '.join(unknown)}")
    query = await query_of(parts.store, {"since": form.get("since", "").strip()})
    selection = Selection(where=query.where)
    backtest = Backtest(
        force,
        proposed,
        parts.evaluator,
        max_hops=parts.settings.intake.max_hops,
        names=names,
        samples=3,
    )
    if not backtest.compared:
        raise ValueError("the routes are equal: there is nothing to compare")
    return Comparison(backtest, selection, await selection.end(parts.store))


def _content(parts: Parts) -> str:
    """Return the routes file, to be changed; empty if it is too large to be sent back."""
    try:
        text = parts.settings.routes.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return text if len(text.encode()) <= _MAX_SHOWN_BYTES else ""
