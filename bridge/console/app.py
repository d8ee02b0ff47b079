"""The application: paths, errors, and the guard around them."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from bridge.console.guard import Guard, RequestForbidden
from bridge.console.pages import (
    audit,
    dead_letters,
    event,
    events,
    login,
    overview,
    pauses,
    plugin,
    replay_form,
    replays,
    routes,
    routes_diff,
    runs,
)
from bridge.console.parts import Parts
from bridge.console.rendering import page
from eventstore.errors import NotAdmitted, StatementFailed, Unavailable

_UNAVAILABLE = (
    "The database cannot be reached: {}. The page works again when the database does; "
    "'ntbridge doctor' says what is wrong."
)
_READER = (
    "The database refused: {}. A console whose role may only read (ntbridge_reader) cannot act."
)
_BUG = "A bug of the console: {}. Its log has the traceback."


def application(parts: Parts) -> ASGIApp:
    """Return the console as an ASGI application."""
    app = Starlette(
        routes=[
            Route("/", overview.show),
            Route("/live/overview", overview.live),
            Route("/events", events.show),
            Route("/live/events", events.live),
            Route("/events/{uid:uuid}", event.show),
            Route("/dead-letters", dead_letters.groups),
            Route("/dead-letters/of", dead_letters.listed),
            Route("/dead-letters/preview", dead_letters.preview, methods=["POST"]),
            Route("/dead-letters/redrive", dead_letters.redrive, methods=["POST"]),
            Route("/dead-letters/drop", dead_letters.drop, methods=["POST"]),
            Route("/dead-letters/{number}", dead_letters.show),
            Route("/routes", routes.show),
            Route("/routes/test", routes.trial, methods=["POST"]),
            Route("/routes/diff", routes_diff.show),
            Route("/routes/diff", routes_diff.begin, methods=["POST"]),
            Route("/routes/diff/{number}", routes_diff.go_on, methods=["POST"]),
            Route("/pauses/{verb}", pauses.change, methods=["POST"]),
            Route("/runs", runs.show),
            Route("/replays", replays.show),
            Route("/replays/preview", replay_form.preview, methods=["POST"]),
            Route("/replays/start", replay_form.start, methods=["POST"]),
            Route("/replays/{number:uuid}", replays.one),
            Route("/replays/{number:uuid}/stop", replays.stop, methods=["POST"]),
            Route("/replays/{number:uuid}/continue", replays.go_on, methods=["POST"]),
            Route("/pages/{name}", plugin.show),
            Route("/pages/{name}/{verb}", plugin.answer, methods=["POST"]),
            Route("/audit", audit.show),
            Route("/login", login.show),
            Route("/login", login.enter, methods=["POST"]),
            Route("/logout", login.leave, methods=["POST"]),
            Route("/livez", _alive),
            Mount("/static", StaticFiles(packages=[("bridge.console", "static")])),
        ],
        exception_handlers={
            RequestForbidden: _answer(lambda error: (error.status, str(error))),
            HTTPException: _answer(lambda error: (error.status_code, error.detail)),
            NotAdmitted: _answer(lambda error: (403, _READER.format(error))),
            Unavailable: _answer(lambda error: (503, _UNAVAILABLE.format(error))),
            StatementFailed: _answer(lambda error: (500, f"The database refused: {error}.")),
            Exception: _answer(lambda error: (500, _BUG.format(type(error).__name__))),
        },
    )
    app.state.parts = parts
    # Outermost, so that the answer to a bug has its headers too.
    return Guard(app, parts)


async def _alive(_: Request) -> Response:
    return PlainTextResponse("alive\n")


def _answer(
    words: Callable[[Any], tuple[int, str]],
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Return a handler that says a status and a message for an error."""

    async def handle(request: Request, error: Exception) -> Response:
        status, message = words(error)
        return _said(request, status, message)

    return handle


def _said(request: Request, status: int, message: str) -> Response:
    if "hx-request" in request.headers:
        return page(request, "message.html", status=status, message=message)
    return page(request, "error.html", status=status, code=status, message=message)
