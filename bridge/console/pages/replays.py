"""Replays: those that run or ran, with rate and time left."""

from starlette.requests import Request
from starlette.responses import Response

from bridge.console.parts import Parts
from bridge.console.rendering import page
from bridge.inspect.replays import find_replays

_PAGE = 50


async def show(request: Request) -> Response:
    """``/replays``."""
    parts: Parts = request.app.state.parts
    return page(request, "replays.html", replays=await find_replays(parts.database, _PAGE))
