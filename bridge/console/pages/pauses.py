"""Pausing and resuming a source or a route; the page of the routes has the forms."""

from typing import cast, get_args

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bridge.console.guard import RequestForbidden, form_of, operator_of, reason_of
from bridge.console.parts import Parts
from bridge.console.rendering import shown
from bridge.pauses import PauseKind, Pauses


async def change(request: Request) -> Response:
    """``POST /pauses/{verb}``: the database records the change and its audit row together."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    who = operator_of(request)
    kind, name, reason = form.get("kind", ""), form.get("name", ""), reason_of(form)
    verb: str = request.path_params["verb"]
    if kind not in get_args(PauseKind) or verb not in ("pause", "resume"):
        raise RequestForbidden(400, "The form names no source or route.")
    kind = cast("PauseKind", kind)
    known = await parts.pausable()
    if name not in known.of(kind):
        raise RequestForbidden(409, f"There is no {kind} {shown(name, 80)} any more.")
    pauses = Pauses(parts.database)
    act = pauses.pause if verb == "pause" else pauses.resume
    # Twice the same is no error: somebody else was faster, and the page shows who.
    await act(kind, name, who=who.name, via=who.via, reason=reason)
    parts.feed.forget()
    return RedirectResponse("/routes#sources" if kind == "source" else "/routes", 303)
