"""A TCP proxy that misbehaves on request, between a client under test and a real server."""

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from bridge.devstack.ports import HOST, pick

_CHUNK = 65_536
_TURNS = 10
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, with RST


class Tripwire:
    """Cuts the connection on which something is seen, once; `tripped` tells when it has.

    Args:
        pattern: bytes before which the stream is cut; None to count instead.
        after: how many bytes get through before the cut, when there is no pattern.
    """

    def __init__(self, pattern: bytes | None, after: int = 0) -> None:
        self.tripped = asyncio.Event()
        self._pattern = pattern
        self._left = after
        self._tail = b""

    def let_through(self, chunk: bytes) -> bytes:
        """What of the next bytes may pass; `tripped` is set when that is not all."""
        if self._pattern is None:
            passed, self._left = chunk[: self._left], self._left - len(chunk)
            if self._left < 0:
                self.tripped.set()
            return passed
        seen = self._tail + chunk
        at = seen.find(self._pattern)
        if at < 0:
            self._tail = seen[max(0, len(seen) - len(self._pattern) + 1) :]
            return chunk
        self.tripped.set()
        return chunk[: max(0, at - len(self._tail))]


class Proxy:
    """Forwards connections from a port of its own to a server.

    Use as an async context manager. The port stays the same for its whole life.

    Args:
        host: of the server.
        port: of the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = pick([])
        self.connections = 0  # accepted so far
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._handlers: set[asyncio.Task[None]] = set()
        self._requests: Tripwire | None = None
        self._responses: Tripwire | None = None

    @classmethod
    def to(cls, address: str) -> Self:
        """A proxy to the server of a URL or of `host:port`."""
        parts = urlsplit(address if "//" in address else f"//{address}")
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"no host and port in {address!r}")
        return cls(parts.hostname, parts.port)

    def through(self, address: str) -> str:
        """The same URL or `host:port`, by way of this proxy."""
        if "//" not in address:
            return f"{HOST}:{self.port}"
        parts = urlsplit(address)
        user = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user[0]}{user[1]}{HOST}:{self.port}"))

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.refuse()
        self.resume()
        # What the kernel had accepted just before gets its handler within some turns of the loop.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def accept(self) -> None:
        """Take connections (again)."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accepted, HOST, self.port)

    async def refuse(self) -> None:
        """Cut all connections and take no new ones: the server looks as if it were down."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Reset the connections there are; new ones are taken."""
        for pair in list(self._pairs):
            _reset(*pair)

    def stall(self) -> None:
        """Black hole: connections stay, and are taken, but no byte passes either way until `resume`."""
        self._flowing.clear()

    def resume(self) -> None:
        """Let bytes pass again, those that were held back first."""
        self._flowing.set()

    def cut_response(self, *, at: bytes | None = None, after: int = 0) -> Tripwire:
        """Reset the connection on which the server's answers reach the bytes `at`, or exceed `after` bytes.

        The bytes themselves do not pass: the server has done it, the client never hears. Once.
        """
        self._responses = Tripwire(at, after)
        return self._responses

    def cut_request(self, *, at: bytes | None = None, after: int = 0) -> Tripwire:
        """Likewise for what the client sends: the server never hears. Once."""
        self._requests = Tripwire(at, after)
        return self._requests

    async def _accepted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._handlers.add(task)
            task.add_done_callback(self._handlers.discard)
        self.connections += 1
        await self._flowing.wait()
        try:
            if self._server is None:
                raise ConnectionRefusedError("accepted just before connections were refused")
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return
        pair = (writer, server_writer)
        self._pairs.add(pair)
        pumps = [
            asyncio.create_task(self._pump(reader, server_writer, answers=False)),
            asyncio.create_task(self._pump(server_reader, writer, answers=True)),
        ]
        try:
            # Both ways end together: no protocol here uses half-closed connections.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._pairs.discard(pair)
            for end in pair:
                end.close()
            for end in pair:
                with contextlib.suppress(OSError):
                    await end.wait_closed()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(_CHUNK):
                await self._flowing.wait()
                wire = self._responses if answers else self._requests
                passed = chunk if wire is None else wire.let_through(chunk)
                sink.write(passed)
                await sink.drain()
                if wire is not None and wire.tripped.is_set():
                    self._disarm(wire)
                    for pair in [pair for pair in self._pairs if sink in pair]:
                        _reset(*pair)
                    return

    def _disarm(self, wire: Tripwire) -> None:
        if self._responses is wire:
            self._responses = None
        if self._requests is wire:
            self._requests = None


def _reset(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        connection = writer.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
