"""TLS for a server in the same container whose build has none: ``tls_front.py KIND HOST:PORT TARGET-PORT CERT KEY``.

KIND is ``grpc``, or ``postgres``, whose clients ask for TLS before they begin it; those that do not are refused.
"""

import asyncio
import ssl
import sys

_CHUNK = 65_536
_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])
"""SSLRequest of Postgres' protocol."""


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
) -> None:
    there = await asyncio.open_connection("127.0.0.1", port)
    pumps = [
        asyncio.ensure_future(_pump(reader, there[1])),
        asyncio.ensure_future(_pump(there[0], writer)),
    ]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        there[1].close()
        writer.close()


async def _asked_for(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """Answer Postgres' request for TLS, and begin it; None if the client asks for something else."""
    if await reader.readexactly(len(_REQUEST)) != _REQUEST:
        writer.close()
        return None
    writer.write(b"S")
    await writer.drain()
    loop = asyncio.get_running_loop()
    inner = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(inner)
    transport = await loop.start_tls(writer.transport, protocol, context, server_side=True)
    protocol.connection_made(transport)
    return inner, asyncio.StreamWriter(transport, protocol, inner, loop)


async def main(kind: str, listen: str, target: str, certificate: str, key: str) -> None:
    """Serve until the process ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if kind == "grpc":
        context.set_alpn_protocols(["h2"])

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            pair = (reader, writer)
            if kind == "postgres":
                pair = await _asked_for(reader, writer, context)
            if pair is not None:
                await _forward(*pair, int(target))
        except (OSError, asyncio.IncompleteReadError) as error:
            print(f"tls_front: {error}", flush=True)  # noqa: T201 - the container's log
            writer.close()

    host, _, port = listen.rpartition(":")
    server = await asyncio.start_server(
        accepted, host, int(port), ssl=context if kind == "grpc" else None
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
