"""A receiver of webhooks: an HTTP server that keeps what it got, and answers what it is told."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

KEY = b"a key that nobody knows"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@dataclass
class Receiver:
    """An HTTP server that keeps what it got, and answers what it is told."""

    answer: bytes | None = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    """None: it says nothing."""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    requests: int = 0
    taken: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of all requests."""

    @property
    def expected_signature(self) -> str:
        """Of the last request, as the specification has it, worked out by hand."""
        got = self.headers
        signed = f"{got['webhook-id']}.{got['webhook-timestamp']}.".encode() + self.body
        return "v1," + base64.b64encode(hmac.new(KEY, signed, "sha256").digest()).decode()

    def about(self, workflow_id: str) -> list[dict[str, Any]]:
        """The notifications about a run, in order."""
        return [each for each in self.taken if each["workflow_id"] == workflow_id]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = [line.partition(": ") for line in head.splitlines()[1:] if line]
            self.headers = {name.lower(): value for name, _, value in lines}
            self.body = await reader.readexactly(int(self.headers["content-length"]))
            self.requests += 1
            self.taken.append(json.loads(self.body))
            if self.answer is None:
                await reader.read()
            else:
                writer.write(self.answer)
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    async with server:
        receiver.url = (
            f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?token=secret"
        )
        yield receiver
