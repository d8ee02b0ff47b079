"""Messages as bytes on the wire: what no client library would send, and a server stores."""

import asyncio
from urllib.parse import urlsplit

_CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n'


def block(*lines: bytes) -> bytes:
    """A header block of these lines."""
    return b"NATS/1.0\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def ce(event_id: bytes, *more: bytes) -> bytes:
    """The header block of an event in binary mode, with further lines."""
    return block(
        b"ce-specversion: 1.0",
        b"ce-source: /sources",
        b"ce-type: io.quantum-suite.sources.happened.v1",
        b"ce-id: " + event_id,
        *more,
    )


async def publish(url: str, *messages: tuple[bytes, bytes, bytes]) -> None:
    """Publish messages (subject, header block or nothing, payload), in order, over one connection."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        await reader.readuntil(b"\r\n")
        writer.write(_CONNECT)
        for subject, headers, payload in messages:
            whole = headers + payload
            if headers:
                writer.write(b"HPUB %s %d %d\r\n" % (subject, len(headers), len(whole)))
            else:
                writer.write(b"PUB %s %d\r\n" % (subject, len(whole)))
            writer.write(whole + b"\r\n")
        writer.write(b"PING\r\n")
        while (line := await reader.readuntil(b"\r\n")) != b"PONG\r\n":
            if line.startswith(b"-ERR"):
                raise ValueError(f"the server refuses: {line!r}")
            if line == b"PING\r\n":
                writer.write(b"PONG\r\n")
    finally:
        writer.close()
        await writer.wait_closed()
