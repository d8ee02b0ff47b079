"""Login and logout."""

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bridge.console.guard import COOKIE, form_of, is_https, pause_after_wrong_token
from bridge.console.parts import Parts
from bridge.console.rendering import page
from bridge.console.tokens import identify, tokens_of

_ONE_AT_A_TIME = asyncio.Semaphore(1)


async def show(request: Request) -> Response:
    """``GET /login``."""
    parts: Parts = request.app.state.parts
    return page(
        request,
        "login.html",
        next=_local(request.query_params.get("next", "/")),
        has_tokens=_has_tokens(parts),
        fault=None,
    )


async def enter(request: Request) -> Response:
    """``POST /login``."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    # The file is read each time, so that a removed token is refused at once.
    tokens = await asyncio.to_thread(tokens_of, parts.settings.console)
    identity = identify(tokens, form.get("token", ""))
    after = _local(form.get("next", "/"))
    if identity is None:
        async with _ONE_AT_A_TIME:
            await pause_after_wrong_token()
        return page(
            request,
            "login.html",
            status=403,
            next=after,
            has_tokens=_has_tokens(parts),
            fault="This is not a token of this console.",
        )
    answer = RedirectResponse(after, 303)
    answer.set_cookie(
        COOKIE,
        parts.sessions.begin(identity),
        max_age=int(parts.settings.console.session),
        httponly=True,
        samesite="strict",
        secure=is_https(request),
        path="/",
    )
    return answer


async def leave(request: Request) -> Response:
    """``POST /logout``."""
    parts: Parts = request.app.state.parts
    await form_of(request)
    parts.sessions.end(request.scope["session"])
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


def _has_tokens(parts: Parts) -> bool:
    own = parts.settings.console
    return own.tokens is not None or own.operator_sha256 is not None


def _local(path: str) -> str:
    """Return a path of this console: never the address of another site."""
    is_plain = (
        path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    )
    return path if is_plain and "\\" not in path else "/"
