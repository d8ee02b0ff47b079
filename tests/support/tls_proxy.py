"""A proxy that speaks TLS with its clients and plain TCP with a server, as in front of Temporal.

asyncio's own TLS closes a refused connection without its alert, which real servers send; so this one drives
OpenSSL itself.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bridge.devstack.ports import HOST

_CHUNK = 65_536


class _Session:
    """The TLS of one connection."""

    def __init__(
        self,
        context: ssl.SSLContext,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._received, self._sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sent, server_side=True)
        self._reader, self._writer = reader, writer

    async def handshake(self) -> str:
        """The common name of the client's certificate; an alert is sent before this raises."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._receive()
                continue
            finally:
                await self._flush()
            break
        certificate: dict[str, Any] = self._tls.getpeercert() or {}
        subject = {key: value for ((key, value),) in certificate.get("subject", ())}
        return str(subject.get("commonName", ""))

    async def read(self) -> bytes:
        while True:
            try:
                return self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._receive()

    async def write(self, chunk: bytes) -> None:
        self._tls.write(chunk)
        await self._flush()

    async def _flush(self) -> None:
        if self._sent.pending:
            self._writer.write(self._sent.read())
            await self._writer.drain()

    async def _receive(self) -> None:
        chunk = await self._reader.read(_CHUNK)
        if not chunk:
            raise ConnectionResetError
        self._received.write(chunk)


@dataclass
class TlsProxy:
    """The proxy."""

    target: str
    context: ssl.SSLContext
    port: int = 0
    subjects: list[str] = field(default_factory=list)
    """The common names of the certificates of the clients, in the order of their connections."""
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _handlers: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"localhost:{self.port}"

    async def serve(self, context: ssl.SSLContext) -> None:
        """Serve with this certificate from now on, on the same port; connections there are cut."""
        await self.stop()
        self.context = context
        self._server = await asyncio.start_server(self._accepted, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut all connections and take no new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _accepted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._handlers.add(task)
            task.add_done_callback(self._handlers.discard)
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError):
                await self._forward(_Session(self.context, reader, writer))
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _forward(self, client: _Session) -> None:
        self.subjects.append(await client.handshake())
        host, _, port = self.target.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        self._writers.add(writer)

        async def requests() -> None:
            while chunk := await client.read():
                writer.write(chunk)
                await writer.drain()

        async def responses() -> None:
            while chunk := await reader.read(_CHUNK):
                await client.write(chunk)

        pumps = [asyncio.ensure_future(pump()) for pump in (requests, responses)]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


@asynccontextmanager
async def tls_proxy(target: str, context: ssl.SSLContext) -> AsyncIterator[TlsProxy]:
    """Run a proxy to a server, ``host:port``."""
    proxy = TlsProxy(target, context)
    await proxy.serve(context)
    try:
        yield proxy
    finally:
        await proxy.stop()
