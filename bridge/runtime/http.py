"""A server for a few pages over HTTP/1.1: probes, Prometheus, people with curl, a codec server.

It uses asyncio's streams and no web framework: GET and HEAD of a few fixed paths, and small bodies for one
handler, without keep-alive, TLS or parameters, need less code than the adapter to a framework.

The size, the duration and the number of requests are bounded. When there are too many connections,
the one that has waited longest for its client is closed: a probe that sends its request at once
is always answered, however many slow clients there are.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

import structlog

from bridge.runtime.errors import AddressTakenError
from bridge.runtime.host_header import accepts_host

_log = structlog.get_logger(__name__)

_MAX_HEAD_BYTES = 8192
"""Of a request, with all headers."""
_MAX_HANDLER_HEAD_BYTES = 32_768
"""Browsers send tokens and cookies to a handler."""
_READ_SECONDS = 5.0
_ANSWER_SECONDS = 15.0
_MAX_CONNECTIONS = 32
_BACKLOG = 1024
"""Connections that wait in the kernel to be accepted; a burst must not be refused."""

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The content of a page."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a handler."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By name in lower case; of a repeated one, the last."""
    body: bytes = b""


Page = Callable[[], Awaitable[HttpResponse]]
Handler = Callable[[Request], Awaitable[HttpResponse]]


class HttpServer:
    """Serves pages from `start` to `stop`.

    Args:
        pages: By path.
        host: Address to listen on.
        port: 0 for any free port; `url` has it. None for the usual port, or any free port when
            that is in use, so that a second process on a machine needs no setting.
        usual: The usual port.
        names: Additional values of the header ``Host`` to accept; see `accepts_host`.
        handler: Answers requests for all other paths, of any method.
        max_body_bytes: Of a request to the handler.
    """

    name = "http"

    def __init__(
        self,
        pages: Mapping[str, Page],
        *,
        host: str,
        port: int | None,
        usual: int = 0,
        names: Collection[str] = (),
        handler: Handler | None = None,
        max_body_bytes: int = 0,
    ) -> None:
        self._pages = pages
        self._handler = handler
        self._max_body_bytes = max_body_bytes
        self._host = host
        self._names = frozenset(name.lower() for name in names)
        self._port = usual if port is None else port
        self._is_particular = port is not None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        # Connections that wait for their client, the longest first.
        self._waiting: dict[asyncio.Task[None], None] = {}

    @property
    def url(self) -> str:
        """The server's URL, after `start`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            AddressTakenError: The address is in use, or does not exist on this machine.
        """
        if self._server is not None:
            return
        try:
            self._server = await self._listen(self._port)
        except OSError as error:
            if self._is_particular or error.errno != errno.EADDRINUSE:
                raise AddressTakenError(
                    f"cannot listen on {self._host}:{self._port} ({_reason(error)})"
                ) from error
            _log.warning("http.default_port_in_use", port=self._port)
            self._server = await self._listen(0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _listen(self, port: int) -> asyncio.Server:
        limit = _MAX_HEAD_BYTES if self._handler is None else _MAX_HANDLER_HEAD_BYTES
        return await asyncio.start_server(
            self._converse, self._host, port, limit=limit, backlog=_BACKLOG
        )

    async def stop(self) -> None:
        """Stop listening and cancel open requests."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is None or not self._has_room():
            writer.close()
            return
        self._open.add(task)
        try:
            async with asyncio.timeout(_READ_SECONDS):
                with self._waits(task):
                    head = await reader.readuntil(b"\r\n\r\n")
                    received = await self._received(head, reader, writer)
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = (
                    received
                    if isinstance(received, HttpResponse)
                    else await self._answer(received)
                )
                writer.write(_rendered(answer, with_body=not head.startswith(b"HEAD ")))
                with self._waits(task):
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client sends nothing or too much, or has disconnected: no answer
        except asyncio.CancelledError:
            pass  # closed for a new connection, or by `stop`; asyncio would log it
        finally:
            self._open.discard(task)
            # No effect when everything was sent; close() would wait for the client to read it.
            writer.transport.abort()

    def _has_room(self) -> bool:
        """Return whether one more connection fits; may close one that waits for its client."""
        if len(self._open) < _MAX_CONNECTIONS:
            return True
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        del self._waiting[longest]
        self._open.discard(longest)
        longest.cancel()
        return True

    @contextlib.contextmanager
    def _waits(self, task: asyncio.Task[None]) -> Iterator[None]:
        """Allow a connection to be closed for a new one in this block."""
        self._waiting[task] = None
        try:
            yield
        finally:
            self._waiting.pop(task, None)

    async def _received(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Request | HttpResponse:
        """Return the request with its body, or the answer that refuses it."""
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        target, _, version = rest.partition(" ")
        refused = self._refuse_host(head, version)
        if refused is not None:
            return refused
        path, headers = target.partition("?")[0], _headers(head)
        if self._handler is None or path in self._pages or method != "POST":
            return Request(method, path, headers)
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return _plain(HTTPStatus.LENGTH_REQUIRED)
        if int(length[:20]) > self._max_body_bytes:
            return _plain(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Request(method, path, headers, await reader.readexactly(int(length)))

    async def _answer(self, request: Request) -> HttpResponse:
        page = self._pages.get(request.path)
        try:
            if page is None and self._handler is not None:
                return await self._handler(request)
            if request.method not in ("GET", "HEAD"):
                return _plain(HTTPStatus.METHOD_NOT_ALLOWED)
            if page is None:
                known = "\n".join(["not found; the pages are:", *sorted(self._pages), ""])
                return HttpResponse(known.encode(), status=HTTPStatus.NOT_FOUND)
            return await page()
        except Exception:  # noqa: BLE001 - a page must not end the server; the error is logged
            # Without the path: that of a handler may contain a token.
            _log.exception("http.page_failed", path=request.path if page else None)
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)

    def _refuse_host(self, head: bytes, version: str) -> HttpResponse | None:
        """Return the answer to a request whose ``Host`` is not accepted; None if it is."""
        lines = head.decode("latin-1").split("\r\n")[1:]
        hosts = [line.partition(":")[2] for line in lines if line.lower().startswith("host:")]
        if not hosts and version != "HTTP/1.1":
            return None  # HTTP/1.0 has no such header
        if len(hosts) != 1:
            return _plain(HTTPStatus.BAD_REQUEST)
        if accepts_host(hosts[0], self._host, self._names):
            return None
        return HttpResponse(_NOT_OUR_NAME, status=HTTPStatus.MISDIRECTED_REQUEST)


_NOT_OUR_NAME = b"""\
The Host header does not name this server: use its address, or add the name to the setting
http.hosts (NTBRIDGE_HTTP__HOSTS; of a worker NTBRIDGE_WORKER_HTTP_HOSTS; of a codec server
NTBRIDGE_CODEC_SERVER__HOSTS).
"""


def _reason(error: OSError) -> str:
    """Return the reason without the address, which asyncio repeats at length."""
    return str(error) if error.errno is None else os.strerror(error.errno)


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _plain(status: HTTPStatus) -> HttpResponse:
    return HttpResponse(f"{status.phrase}\n".encode(), status=status)


def _rendered(answer: HttpResponse, *, with_body: bool) -> bytes:
    more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\n"
        f"{more}"
        "Connection: close\r\n\r\n"
    ).encode("latin-1")
    return head + answer.body if with_body else head
