"""The audit: who did what, when and why."""

from starlette.requests import Request
from starlette.responses import Response

from bridge.console.parts import Parts
from bridge.console.rendering import page

_PAGE = 100


async def show(request: Request) -> Response:
    """``/audit``."""
    parts: Parts = request.app.state.parts
    before = request.query_params.get("before", "")
    found = (
        await parts.audit.latest(_PAGE, before=int(before[:18]))
        if before.isascii() and before.isdigit()
        else await parts.audit.latest(_PAGE)
    )
    return page(
        request, "audit.html", actions=found, more=found[-1].id if len(found) == _PAGE else None
    )
