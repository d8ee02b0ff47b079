"""Why a NATS server closes a TLS connection: nats-py only reports that it was closed.

In TLS 1.3 a server refuses a client certificate after the client's handshake, when nats-py is already
writing. So a second handshake is made that only waits for the server's alert.
"""

import asyncio
import json
import ssl
from urllib.parse import urlsplit

from bridge.runtime.errors import ConnectionFileError
from bridge.runtime.tls import client_context, tls_fault
from bridge.settings.nats_connection import NatsConnectionSettings

_SECONDS = 1.5
_GREETING_SECONDS = 0.5
_DEFAULT_PORT = 4222


async def tls_problem(settings: NatsConnectionSettings) -> str | None:
    """Return what is wrong with TLS at the first server where something is; None if nothing is found."""
    for server in settings.servers:
        url = urlsplit(server if "://" in server else f"nats://{server}")
        if url.scheme in {"ws", "wss"}:
            continue
        host, port = url.hostname or "localhost", url.port or _DEFAULT_PORT
        try:
            if not settings.tls_first and await _expects_tls_first(host, port):
                return "the server expects the TLS handshake first: set nats.tls_first: true"
            async with asyncio.timeout(_SECONDS):
                await _greet(settings, host, port)
        except ConnectionFileError as error:
            return str(error)
        except (ssl.SSLError, ssl.CertificateError) as error:
            return tls_fault(error)
        except (OSError, TimeoutError, ValueError):
            continue
    return None


async def _expects_tls_first(host: str, port: int) -> bool:
    """Return whether a server that sends no greeting takes a TLS handshake."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(_GREETING_SECONDS):
            if (await reader.readline()).startswith(b"INFO"):
                return False
    except TimeoutError:
        pass
    finally:
        writer.transport.abort()
    context = ssl.create_default_context()
    # Only to see whether it speaks TLS; nothing is sent.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as error:
        return "ALERT" in (getattr(error, "reason", None) or "")
    writer.transport.abort()
    return True


async def _greet(settings: NatsConnectionSettings, host: str, port: int) -> None:
    """Make the handshakes, send nothing, and wait for the server's first bytes after them.

    Raises:
        ssl.SSLError: Client or server refuses the other's certificate.
    """
    context = client_context(
        "nats", ca=settings.tls_ca, cert=settings.tls_cert, key=settings.tls_key
    )
    reader, writer = await asyncio.open_connection(host, port)
    try:
        if not settings.tls_first:
            _, _, greeting = (await reader.readline()).partition(b" ")
            if not json.loads(greeting).get("tls_required"):
                return
        await writer.start_tls(context, server_hostname=settings.tls_server_name or host)
        await reader.read(1)
    finally:
        writer.transport.abort()
