"""Replays: those that run or ran, with rate and time left; stop and continue."""

from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bridge.console.guard import RequestForbidden, form_of, operator_of, reason_of
from bridge.console.parts import Parts
from bridge.console.rendering import page
from bridge.history.replay.store import Replays
from bridge.history.replay.wording import tally_lines
from bridge.inspect.replays import ReplayRow, find_replays

_PAGE = 50


async def show(request: Request) -> Response:
    """``/replays``: the form for a new one, and the list; as a fragment the list alone."""
    parts: Parts = request.app.state.parts
    found = await find_replays(parts.database, _PAGE)
    is_live = "hx-request" in request.headers
    return page(request, "replays_list.html" if is_live else "replays.html", replays=found)


async def one(request: Request) -> Response:
    """``/replays/{id}``: one replay; as a fragment its progress alone."""
    parts: Parts = request.app.state.parts
    replay = await _replay(parts, request)
    run = None if parts.host is None else parts.host.run_of(replay.id)
    is_live = "hx-request" in request.headers
    offered = "continue" if replay.may_be_continued else replay.state
    if is_live and request.query_params.get("offered") != offered:
        # The page offers what is no longer possible: it loads itself again.
        return Response(headers={"HX-Refresh": "true"})
    return page(
        request,
        "replay_progress.html" if is_live else "replay.html",
        replay=replay,
        offered=offered,
        open_dispatches=0 if run is None else run.open_dispatches,
        tally=tally_lines(replay.tally, "planned"),
        actions=[] if is_live else await parts.audit.latest(20, on=f"replay {replay.id}"),
    )


async def stop(request: Request) -> Response:
    """``POST /replays/{id}/stop``: wherever it runs."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    who, reason = operator_of(request), reason_of(form)
    replay = await _replay(parts, request)
    replays = Replays(parts.database, parts.store)
    if not await replays.stop(replay.id, who=who.name, via=who.via, reason=reason):
        raise RequestForbidden(409, "This replay is stopped or finished already.")
    return RedirectResponse(f"/replays/{replay.id}", 303)


async def go_on(request: Request) -> Response:
    """``POST /replays/{id}/continue``: a console runs the rest."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    who, reason = operator_of(request), reason_of(form)
    replay = await _replay(parts, request)
    if not replay.may_be_continued:
        raise RequestForbidden(
            409, f"This replay is {replay.phase}; a console cannot continue it."
        )
    replays = Replays(parts.database, parts.store)
    await replays.continue_in_consoles(replay.id, who=who.name, via=who.via, reason=reason)
    if parts.host is not None:
        parts.host.wake()
    return RedirectResponse(f"/replays/{replay.id}", 303)


async def _replay(parts: Parts, request: Request) -> ReplayRow:
    number: UUID = request.path_params["number"]
    found = await find_replays(parts.database, 1, number)
    if not found:
        raise HTTPException(404, f"replay {number} does not exist")
    return found[0]
