"""Why there is no NATS connection, as the operator is told."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.config import NatsSettings
from bridge.jetstream import Connection
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
async def running(connection: Connection) -> AsyncIterator[None]:
    task = asyncio.create_task(connection.run())
    try:
        yield
    finally:
        await connection.stop()
        await task


async def test_a_refusal_is_not_hidden_by_the_hanging_up_that_follows() -> None:
    refusing = Refusing()
    server = await asyncio.start_server(refusing.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = Connection(NatsSettings(url=f"nats://127.0.0.1:{port}"), "test")

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
