"""`CodecEndpoint`: answers ``/decode`` and ``/encode`` for Temporal's web interface and command line.

Source: https://docs.temporal.io/codec-server; the CORS protocol of https://fetch.spec.whatwg.org.

A browser sends the ``Origin`` of the page that calls. Only named origins are answered, and only they may
read an answer; another page that a user visits gets nothing. Programs send no origin. With a token,
every request needs it: as ``Authorization: Bearer …``, or as the first part of the path, because the web
interface can be given an address and no header of its own.
"""

import asyncio
from collections.abc import Collection, Mapping
from hmac import compare_digest
from http import HTTPStatus

from google.protobuf import json_format
from temporalio.api.common.v1 import Payloads
from temporalio.converter import PayloadCodec

from bridge.runtime.errors import CodecError
from bridge.runtime.http import JSON, HttpResponse, Request

MAX_BODY_BYTES = 8 * 2**20
"""Of a request; Temporal's own limit of a message is 4 MiB, which base64 makes 5.4 MiB."""

_ALLOWED = {
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Namespace",
    "Access-Control-Max-Age": "600",
}
_INLINE_BYTES = 64 * 2**10


class CodecEndpoint:
    """Decodes, and encodes if it may.

    Args:
        codec: Does the work.
        origins: The origins that a browser may call from.
        token: Needed by every request; None: no request needs one.
        may_encode: Whether ``/encode`` is answered.
    """

    def __init__(
        self,
        codec: PayloadCodec,
        *,
        origins: Collection[str] = (),
        token: str | None = None,
        may_encode: bool = False,
    ) -> None:
        self._codec = codec
        self._origins = frozenset(origins)
        self._token = token
        self._may_encode = may_encode

    async def answer(self, request: Request) -> HttpResponse:
        """Return the answer to a request."""
        origin = request.headers.get("origin")
        if origin is not None and origin not in self._origins:
            return _refused(
                HTTPStatus.FORBIDDEN,
                "this origin is not allowed: add it to codec_server.origins",
            )
        headers = {"Vary": "Origin"}
        if origin is not None:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Credentials"] = "true"
        if request.method == "OPTIONS":
            # A browser sends no token here.
            if "access-control-request-private-network" in request.headers:
                headers["Access-Control-Allow-Private-Network"] = "true"
            return HttpResponse(
                b"", status=HTTPStatus.NO_CONTENT, headers={**headers, **_ALLOWED}
            )
        return await self._worked(request, headers)

    async def _worked(self, request: Request, headers: Mapping[str, str]) -> HttpResponse:
        path, has_token = self._admitted(request)
        if not has_token:
            status, why = HTTPStatus.UNAUTHORIZED, "the token is missing or wrong"
            return _refused(status, why, {**headers, "WWW-Authenticate": "Bearer"})
        problem = self._problem(request.method, path)
        if problem is not None:
            return _refused(*problem, headers)
        try:
            body = await self._converted(request.body, encode=path == "/encode")
        except ValueError:
            return _refused(HTTPStatus.BAD_REQUEST, "the body is not JSON of payloads", headers)
        except CodecError as error:
            status = (
                HTTPStatus.SERVICE_UNAVAILABLE
                if error.unreachable
                else HTTPStatus.UNPROCESSABLE_ENTITY
            )
            return _refused(status, str(error), headers)
        return HttpResponse(body, JSON, headers=headers)

    def _problem(self, method: str, path: str) -> tuple[HTTPStatus, str] | None:
        if path not in ("/decode", "/encode"):
            return HTTPStatus.NOT_FOUND, "the paths are /decode and /encode"
        if method != "POST":
            return HTTPStatus.METHOD_NOT_ALLOWED, "use POST"
        if path == "/encode" and not self._may_encode:
            return HTTPStatus.FORBIDDEN, "this server only decodes: see codec_server.encode"
        return None

    def _admitted(self, request: Request) -> tuple[str, bool]:
        """Return the path without a token in it, and whether the request has the token."""
        if self._token is None:
            return request.path, True
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _same(given.strip(), self._token):
            return request.path, True
        first, slash, rest = request.path.removeprefix("/").partition("/")
        return slash + rest, _same(first, self._token)

    async def _converted(self, body: bytes, *, encode: bool) -> bytes:
        if len(body) <= _INLINE_BYTES:
            given = _read(body)
        else:
            given = await asyncio.to_thread(_read, body)
        work = self._codec.encode if encode else self._codec.decode
        found = Payloads(payloads=await work(given.payloads))
        if found.ByteSize() <= _INLINE_BYTES:
            return _written(found)
        return await asyncio.to_thread(_written, found)


def _same(given: str, token: str) -> bool:
    return compare_digest(given.encode(), token.encode())


def _read(body: bytes) -> Payloads:
    try:
        return json_format.Parse(body, Payloads(), ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise ValueError("not JSON of payloads") from error


def _written(payloads: Payloads) -> bytes:
    return json_format.MessageToJson(payloads, indent=None).encode()


def _refused(
    status: HTTPStatus, why: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    return HttpResponse(f"{why}\n".encode(), status=status, headers=headers or {})
