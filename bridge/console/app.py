"""The application: paths, errors, and the guard around them."""

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
    replays,
    routes,
    runs,
)
from bridge.console.parts import Parts
from bridge.console.rendering import page
from eventstore.errors import StatementFailed, Unavailable


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
            Route("/pauses/{verb}", pauses.change, methods=["POST"]),
            Route("/runs", runs.show),
            Route("/replays", replays.show),
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
            RequestForbidden: _refused,
            HTTPException: _failed,
            Unavailable: _unavailable,
            StatementFailed: _not_permitted,
            Exception: _bug,
        },
    )
    app.state.parts = parts
    # Outermost, so that the answer to a bug has its headers too.
    return Guard(app, parts)


async def _alive(_: Request) -> Response:
    return PlainTextResponse("alive\n")


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RequestForbidden) else 500
    return _said(request, status, str(error))


async def _failed(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    return _said(request, status, detail)


async def _unavailable(request: Request, error: Exception) -> Response:
    return _said(
        request,
        503,
        f"The database cannot be reached: {error}. The page works again when the database does; "
        "'ntbridge doctor' says what is wrong.",
    )


async def _not_permitted(request: Request, error: Exception) -> Response:
    return _said(
        request,
        403,
        f"The database refused: {error}. A console whose role may only read (ntbridge_reader) cannot act: "
        "give it the role ntbridge_app.",
    )


async def _bug(request: Request, error: Exception) -> Response:
    return _said(
        request,
        500,
        f"A bug of the console: {type(error).__name__}. Its log has the traceback.",
    )


def _said(request: Request, status: int, message: str) -> Response:
    if "hx-request" in request.headers:
        return page(request, "message.html", status=status, message=message)
    return page(request, "error.html", status=status, code=status, message=message)
