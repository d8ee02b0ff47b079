"""Why there is no NATS connection, as the operator is told."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.errors import NotConnected
from bridge.jetstream.connection import NatsConnection, connect_once
from bridge.settings.schema import NatsSettings
from tests.support.waiting import eventually

_INFO = (
    b'INFO {"server_id":"A","version":"2.10.0","proto":1,"headers":true,'
    b'"max_payload":1048576,"auth_required":true}\r\n'
)
_RESET = struct.pack("ii", 1, 0)
_REFUSAL = b"-ERR 'Authorization Violation'\r\n"


class Refusing:
    """A server that refuses everybody, or hangs up before it has said so."""

    def __init__(self) -> None:
        self.silent = False
        self.hung_up = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.silent:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                writer.write(_INFO)
                await reader.readuntil(b"PING\r\n")
                writer.write(_REFUSAL)
                await writer.drain()
        wire: socket.socket = writer.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
        self.hung_up += 1


@asynccontextmanager
async def running(connection: NatsConnection) -> AsyncIterator[None]:
    task = asyncio.create_task(connection.run())
    try:
        yield
    finally:
        await connection.stop()
        await task


class Plain:
    """A server without TLS, as whoever intercepts the connection would be; keeps what it is sent."""

    def __init__(self) -> None:
        self.received = b""
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        writer.write(_INFO)
        self.received += await reader.read()
        writer.close()
        await writer.wait_closed()
        self.open -= 1


@asynccontextmanager
async def plain_server() -> AsyncIterator[tuple[Plain, str]]:
    plain = Plain()
    server = await asyncio.start_server(plain.serve, "127.0.0.1", 0)
    async with server:
        yield plain, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async def all_closed() -> bool:
            return plain.open == 0

        await eventually(all_closed)


@pytest.mark.slow
@pytest.mark.parametrize("other", ["", ",nats://user:secret@{}"])
async def test_a_server_without_tls_is_sent_nothing_when_the_url_says_tls(other: str) -> None:
    async with plain_server() as (plain, address):
        url = f"tls://user:secret@{address}{other.format(address)}"
        connection = NatsConnection(NatsSettings(url=url), "test")

        async def refused() -> bool:
            return "offers no TLS" in (connection.problem or "")

        async with running(connection):
            await eventually(refused)
    assert plain.received == b""


async def test_a_command_says_that_the_server_has_no_tls() -> None:
    async with plain_server() as (plain, address):
        with pytest.raises(NotConnected, match="offers no TLS"):
            await connect_once(NatsSettings(url=f"tls://user:secret@{address}"), "test")
    assert plain.received == b""


@pytest.mark.slow
async def test_a_refusal_is_not_hidden_by_the_hanging_up_that_follows() -> None:
    refusing = Refusing()
    server = await asyncio.start_server(refusing.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = NatsConnection(NatsSettings(url=f"nats://127.0.0.1:{port}"), "test")

    async def refused() -> bool:
        return "Authorization" in (connection.problem or "")

    async with running(connection):
        await eventually(refused)
        refusing.silent = True
        hung_up = refusing.hung_up

        async def hung_up_only() -> bool:
            return refusing.hung_up >= hung_up + 3

        await eventually(hung_up_only)
        assert "Authorization" in (connection.problem or "")

        server.close()

        async def gone() -> bool:
            return "Connect call failed" in (connection.problem or "")

        await eventually(gone)
