"""The guard: finds out who asks, refuses what they may not do, and sets the headers of every answer."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.console.access import Identity, without_login
from bridge.console.parts import Parts
from bridge.errors import BridgeError

COOKIE = "ntbridge_session"
MAX_BODY_BYTES = 512 * 1024
_FREE = ("/static/", "/login", "/livez")
"""What needs no login."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": browsers then send "Origin: null" with the forms of this console itself.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class RequestForbidden(BridgeError):  # noqa: N818 - an answer, not an error
    """A request that is not carried out; ``status`` and the message are its answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Guard:
    """ASGI middleware around all pages."""

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        answer = self._refusal(scope)
        await (self._app if answer is None else answer)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """Put the identity into the scope; return the answer to a request that stops here."""
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1:
            return PlainTextResponse("Bad Request: one Host header, please", 400)
        if b"%00" in scope["query_string"] or "\0" in scope["path"]:
            # No text of the database has one.
            return PlainTextResponse("Bad Request: a NUL character in the address", 400)
        proxy = self._parts.settings.console.proxy
        if len(headers.getlist(proxy.user_header)) > 1:
            return PlainTextResponse(
                f"Bad Request: one {proxy.user_header} header, please", 400
            )
        request = Request(scope)
        number = request.cookies.get(COOKIE, "")
        identity = self._parts.sessions.find(number)
        if identity is None:
            number = ""
            peer = "" if request.client is None else request.client.host
            identity = without_login(peer, _joined(headers), proxy, scope["http_version"])
        scope["identity"], scope["session"] = identity, number
        if identity is not None or scope["path"].startswith(_FREE):
            return None
        return _login_page(request)


def identity_of(request: Request) -> Identity | None:
    """Return who asks; None for someone unknown on the page of the login."""
    identity: Identity | None = request.scope.get("identity")
    return identity


def csrf_token(request: Request) -> str:
    """Return the token for the forms of a page."""
    identity = identity_of(request)
    if identity is None:
        return ""
    parts: Parts = request.app.state.parts
    return parts.sessions.csrf_token(request.scope["session"], identity)


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form that this console's own page sent.

    Raises:
        RequestForbidden: It is too large, or comes from elsewhere.
    """
    require_same_origin(request)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RequestForbidden(
                413, f"A form may have at most {MAX_BODY_BYTES // 1024} KiB."
            )
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError as error:
        raise RequestForbidden(400, "This is not a form.") from error
    identity = identity_of(request)
    if identity is not None:
        parts: Parts = request.app.state.parts
        given = fields.pop("csrf", "")
        if not parts.sessions.is_csrf_token(given, request.scope["session"], identity):
            raise RequestForbidden(
                403, "This form is too old, or not of this console: load its page again."
            )
    return fields


def require_same_origin(request: Request) -> None:
    """Refuse a request that a page of another origin sent.

    Raises:
        RequestForbidden: It is one.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if site not in ("same-origin", "none") or foreign:
        raise RequestForbidden(403, "This request comes from a page of another site.")


def operator_of(request: Request) -> Identity:
    """Return the operator who asks.

    Raises:
        RequestForbidden: It is no operator.
    """
    identity = identity_of(request)
    if identity is None or not identity.may_act:
        raise RequestForbidden(
            403, "This needs the role operator: log in with an operator's token."
        )
    return identity


def reason_of(form: Mapping[str, str]) -> str:
    """Return the reason that a form gives.

    Raises:
        RequestForbidden: It gives none.
    """
    reason = form.get("reason", "").strip()
    if not reason:
        raise RequestForbidden(400, "Give a reason: it is kept with your name.")
    return reason


def is_https(request: Request) -> bool:
    """Return whether the browser uses HTTPS, as far as can be known."""
    parts: Parts = request.app.state.parts
    return parts.settings.console.secure_cookie or request.url.scheme == "https"


async def pause_after_wrong_token() -> None:
    """Make guessing slow."""
    await asyncio.sleep(0.5)


def _joined(headers: Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _login_page(request: Request) -> Response:
    path = request.url.path
    if request.method != "GET" or "hx-request" in request.headers or path.startswith("/live/"):
        return PlainTextResponse("Log in first.", 401, {"HX-Redirect": "/login"})
    after = path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(after, safe='')}", 303)
