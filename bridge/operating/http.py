"""A few read-only pages over HTTP/1.1, for probes, scrapers and people with curl.

Written on asyncio's streams: GET and HEAD of a handful of fixed paths, without bodies, keep-alive,
TLS or parameters, is less code than the adapter a web framework would need, and a framework would
bring its own event loop handling and half a dozen packages into a daemon that wants none of it.
What a client may do to it is bounded: the size of a request, the time it takes, how many there
are at a time.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from bridge.operating.errors import AddressTakenError

_log = structlog.get_logger(__name__)

_LONGEST_HEAD = 8192
"""Bytes of a request, all its headers included."""
_READ_SECONDS = 5.0
_ANSWER_SECONDS = 15.0
_MOST_CONNECTIONS = 32

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page shows."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK


Page = Callable[[], Awaitable[Answer]]


class HttpServer:
    """Serves pages from `start` to `stop`.

    Args:
        pages: By path.
        host: Where to listen.
        port: 0 for any that is free; `url` tells which. None for the usual one, and for any that
            is free when somebody has that: a second process on a machine need not be told.
        usual: The usual port.
    """

    name = "http"

    def __init__(
        self, pages: Mapping[str, Page], *, host: str, port: int | None, usual: int = 0
    ) -> None:
        self._pages = pages
        self._host = host
        self._port = usual if port is None else port
        self._is_particular = port is not None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens, once it does."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            AddressTakenError: Somebody else does, or there is no such address here.
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
            _log.warning("http.usual_port_taken", port=self._port)
            self._server = await self._listen(0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._converse, self._host, port, limit=_LONGEST_HEAD)

    async def stop(self) -> None:
        """Listen no more and end what is under way."""
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
        if task is None or len(self._open) >= _MOST_CONNECTIONS:
            writer.close()
            return
        self._open.add(task)
        try:
            async with asyncio.timeout(_READ_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(_ANSWER_SECONDS):
                method, answer = await self._answer(head)
                writer.write(_rendered(answer, with_body=method != "HEAD"))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that says nothing, too much, or is gone: nobody to answer
        finally:
            self._open.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, head: bytes) -> tuple[str, Answer]:
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        page = self._pages.get(path)
        if method not in ("GET", "HEAD"):
            return method, _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        if page is None:
            known = "\n".join(["not found; there are:", *sorted(self._pages), ""])
            return method, Answer(known.encode(), status=HTTPStatus.NOT_FOUND)
        try:
            return method, await page()
        except Exception:  # noqa: BLE001 - a page must not end the server, nor hide what went wrong
            _log.exception("http.page_failed", path=path)
            return method, _plain(HTTPStatus.INTERNAL_SERVER_ERROR)


def _reason(error: OSError) -> str:
    """Say it without the address, of which asyncio makes a long text."""
    return str(error) if error.errno is None else os.strerror(error.errno)


def _plain(status: HTTPStatus) -> Answer:
    return Answer(f"{status.phrase}\n".encode(), status=status)


def _rendered(answer: Answer, *, with_body: bool) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    ).encode("latin-1")
    return head + answer.body if with_body else head
