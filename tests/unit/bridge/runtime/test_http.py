import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

from bridge.runtime.errors import AddressTakenError
from bridge.runtime.http import HttpResponse, HttpServer


async def hello() -> HttpResponse:
    return HttpResponse(b"hello\n")


async def sick() -> HttpResponse:
    return HttpResponse(b"no\n", status=HTTPStatus.SERVICE_UNAVAILABLE)


async def broken() -> HttpResponse:
    raise LookupError("a bug of ours")


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    server = HttpServer(
        {"/hello": hello, "/sick": sick, "/broken": broken}, host="127.0.0.1", port=0
    )
    await server.start()
    yield server
    await server.stop()


async def talk(server: HttpServer, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(server.url.rpartition(":")[2])
    )
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("GET /hello HTTP/1.1", 200, b"hello\n"),
        ("GET /hello?verbose=1 HTTP/1.1", 200, b"hello\n"),
        ("HEAD /hello HTTP/1.1", 200, b""),
        ("GET /sick HTTP/1.1", 503, b"no\n"),
        ("GET /broken HTTP/1.1", 500, b"Internal Server Error\n"),
        ("POST /hello HTTP/1.1", 405, b"Method Not Allowed\n"),
        ("GET /nothing HTTP/1.1", 404, b"not found; the pages are:\n/broken\n/hello\n/sick\n"),
        ("nonsense", 405, b"Method Not Allowed\n"),
    ],
)
async def test_pages(server: HttpServer, request_line: str, status: int, body: bytes) -> None:
    answer = await talk(server, request_line.encode() + b"\r\nHost: 127.0.0.1:1\r\n\r\n")
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert rest == body
    assert b"Connection: close" in head


async def test_a_client_that_says_too_much_gets_nothing_and_does_no_harm(
    server: HttpServer,
) -> None:
    assert await talk(server, b"GET /hello HTTP/1.1\r\n" + b"x" * 20_000) == b""
    assert b"200 OK" in await talk(server, b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Host: localhost:9464", 200),
        (b"host:127.0.0.1", 200),
        (b"Host: [::1]:9464", 200),
        (b"Host: LOCALHOST.", 200),
        (b"Host: status.example.com", 200),
        (b"Host: evil.example.com", 421),
        (b"Host: 10.0.0.7", 421),
        (b"Host: localhost.evil.example", 421),
        (b"Host: localhost@evil.example", 421),
        (b"Host: \xff", 421),
        (b"Host:", 421),
        (b"Host: localhost\r\nHost: localhost", 400),
        (b"Accept: */*", 400),
    ],
)
async def test_only_the_servers_own_names_are_answered(headers: bytes, status: int) -> None:
    server = HttpServer(
        {"/hello": hello}, host="127.0.0.1", port=0, names=["Status.example.com"]
    )
    await server.start()
    try:
        answer = await talk(server, b"GET /hello HTTP/1.1\r\n" + headers + b"\r\n\r\n")
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"evil" not in answer
    finally:
        await server.stop()


async def test_slow_clients_do_not_keep_a_probe_from_its_answer(server: HttpServer) -> None:
    """More of them than connections are kept, with half a request each, and each probe is answered."""
    port = int(server.url.rpartition(":")[2])
    slow = []
    try:
        for _ in range(100):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /hello HTTP/1.1\r\nHost: ")
            slow.append(writer)
        for _ in range(40):
            answer = await talk(server, b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 ")
    finally:
        for writer in slow:
            writer.close()


async def test_clients_that_do_not_read_do_not_keep_a_probe_from_its_answer() -> None:
    async def large() -> HttpResponse:
        return HttpResponse(b"x" * 2**24)

    server = HttpServer({"/large": large, "/hello": hello}, host="127.0.0.1", port=0)
    await server.start()
    port = int(server.url.rpartition(":")[2])
    slow = []
    try:
        for _ in range(40):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            slow.append(writer)
        for _ in range(10):
            answer = await talk(server, b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 ")
    finally:
        for writer in slow:
            writer.transport.abort()
        await server.stop()


async def test_a_client_that_reads_slowly_gets_the_whole_answer() -> None:
    body = b"x" * 2**22

    async def large() -> HttpResponse:
        return HttpResponse(body)

    server = HttpServer({"/large": large}, host="127.0.0.1", port=0)
    await server.start()
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(server.url.rpartition(":")[2]), limit=1024
        )
        writer.write(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(body)) == body
        assert await reader.read() == b""
        writer.close()
    finally:
        await server.stop()


async def test_a_port_that_is_taken_is_told(server: HttpServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(AddressTakenError, match=f"127.0.0.1:{port}"):
        await HttpServer({}, host="127.0.0.1", port=port).start()


async def test_the_usual_port_gives_way_when_it_is_taken(server: HttpServer) -> None:
    port = int(server.url.rpartition(":")[2])
    other = HttpServer({"/hello": hello}, host="127.0.0.1", port=None, usual=port)
    await other.start()
    try:
        assert other.url != server.url
        assert b"hello" in await talk(other, b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
    finally:
        await other.stop()


async def test_stopping_ends_what_is_open(server: HttpServer) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(server.url.rpartition(":")[2])
    )
    await talk(server, b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(60):
        await server.stop()
        assert await reader.read() == b""
    writer.close()
