"""The console's server and clients that send or read slowly, or too much."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.console.protocol import DeadlineProtocol
from bridge.console.server import Server, listen

pytestmark = pytest.mark.slow

PATIENCE = 60.0


class Hasty(DeadlineProtocol):
    head_seconds = 0.5
    body_seconds = 0.5
    write_seconds = 0.5
    max_connections = 20


class Few(DeadlineProtocol):
    max_connections = 4


async def echo(request: Request) -> Response:
    return PlainTextResponse(f"{len(await request.body())}\n")


async def large(_: Request) -> Response:
    return PlainTextResponse(b"x" * 50_000_000)


@asynccontextmanager
async def served(protocol: type[DeadlineProtocol]) -> AsyncIterator[int]:
    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"]), Route("/large", large)])
    config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None)
    with listen("127.0.0.1", 0) as listener:
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield int(listener.getsockname()[1])
        server.should_exit = True
        await serving


async def answer_to(port: int, sent: bytes) -> bytes:
    """What the server says until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def get(port: int) -> bytes:
    return await answer_to(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")


async def test_half_a_request_ends_at_its_deadline() -> None:
    async with served(Hasty) as port:
        answers = await asyncio.gather(
            answer_to(port, b""),
            answer_to(port, b"GET / HTTP/1.1\r\nHost:"),
            answer_to(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"),
            # The second request on a connection has a deadline too.
            answer_to(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT"),
        )
        assert set(answers[:3]) == {b""}
        assert answers[3].startswith(b"HTTP/1.1 200 OK")
        assert answers[3].count(b"HTTP/1.1") == 1
        assert (await get(port)).startswith(b"HTTP/1.1 200 OK")


async def test_a_body_that_trickles_ends_at_the_deadline_of_the_whole() -> None:
    async with served(Hasty) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        reading = asyncio.create_task(reader.read())
        async with asyncio.timeout(PATIENCE):
            while not reading.done():
                writer.write(b"x")
                await asyncio.wait({reading}, timeout=0.05)
        assert reading.exception() is not None or reading.result() == b""
        writer.close()


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with served(Hasty) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            # Only the end of the connection is waited for: the kernel says it without a read.
            while not writer.transport.is_closing():
                await asyncio.sleep(0.05)
                try:
                    writer.write(b"\r\n")
                    await writer.drain()
                except ConnectionError:
                    break
        del reader
        writer.close()


async def test_the_one_that_waited_longest_makes_room_for_a_new_one() -> None:
    async with served(Few) as port:
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        assert (await get(port)).startswith(b"HTTP/1.1 200 OK")
        async with asyncio.timeout(PATIENCE):
            assert await slow[0][0].read() == b""
        for _, writer in slow:
            writer.close()


async def test_headers_without_end_are_refused() -> None:
    async with served(DeadlineProtocol) as port:
        answer = await answer_to(port, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
