"""Why Temporal cannot be reached by TLS: the SDK's error rarely says it.

When a server refuses a client certificate, the SDK reports only that the connection was closed. So a
second handshake is made, by Python's TLS with the same files, and its error is put in words.
"""

import asyncio
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.runtime.errors import ConnectionFileError
from bridge.runtime.temporal_connection import TemporalConnection
from bridge.runtime.tls import client_context, tls_fault

_SECONDS = 3.0
_FRESH_SECONDS = 5.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""How a client begins HTTP/2 (RFC 9113, section 3.4): the server answers, or refuses the client."""
_NAMES = ("tls_server_ca_cert_path", "tls_client_cert_path", "tls_client_key_path")


class TlsDiagnosis:
    """Makes one diagnosis for all callers of the same moment: many calls fail at once.

    Args:
        settings: The connection.
    """

    def __init__(self, settings: TemporalConnection) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()
        self._made_at: float | None = None
        self._problem: str | None = None

    async def problem(self) -> str | None:
        """Return what `tls_problem` returns; not older than five seconds."""
        async with self._turn:
            now = asyncio.get_running_loop().time()
            if self._made_at is None or now - self._made_at > _FRESH_SECONDS:
                self._problem = await tls_problem(self._settings)
                self._made_at = asyncio.get_running_loop().time()
            return self._problem


async def tls_problem(settings: TemporalConnection) -> str | None:
    """Return what is wrong with the TLS of a connection, and what to do; None if nothing is found."""
    try:
        async with asyncio.timeout(_SECONDS):
            if settings.is_encrypted:
                return await _refused(settings)
            return await _expects_tls(settings)
    except ConnectionFileError as error:
        return str(error)
    except (OSError, TimeoutError):
        return None


async def _refused(settings: TemporalConnection) -> str | None:
    with _files(settings) as (ca, cert, key):
        context = client_context("temporal", ca=ca, cert=cert, key=key, names=_NAMES)
    context.set_alpn_protocols(["h2"])
    try:
        await _greet(settings, context)
    except (ssl.SSLError, ssl.CertificateError) as error:
        fault = tls_fault(error) or str(error)
        return f"{fault}; {_to_do(fault)}"
    return None


async def _expects_tls(settings: TemporalConnection) -> str | None:
    """Return that the server speaks TLS, if it does."""
    context = ssl.create_default_context()
    # Only to see whether it speaks TLS; nothing is sent.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host, port = settings.host, int(settings.address.rpartition(":")[2])
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLError as error:
        if "ALERT" not in (error.reason or ""):
            return None
    else:
        writer.transport.abort()
    return "the server speaks TLS, and this client was not asked to; set temporal.tls: true"


async def _greet(settings: TemporalConnection, context: ssl.SSLContext) -> None:
    """Begin a connection and wait for the server's first bytes.

    Raises:
        ssl.SSLError: Client or server refuses the other's certificate.
    """
    host, port = settings.host, int(settings.address.rpartition(":")[2])
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname=settings.tls_server_name or host
    )
    try:
        # In TLS 1.3 a server refuses a client certificate only after the client's handshake.
        writer.write(_PREFACE)
        await reader.read(1)
    finally:
        writer.transport.abort()


def _to_do(fault: str) -> str:
    if "name" in fault or "mismatch" in fault:
        return "set temporal.tls_server_name to a name in the certificate"
    if "client certificate" in fault:
        return "correct temporal.tls_client_cert_path and temporal.tls_client_key_path"
    if "authority" in fault:
        return "set temporal.tls_server_ca_cert_path to the authority that signed it"
    if "server's certificate" in fault:
        return "renew it at the server"
    return "check temporal.address and temporal.tls"


@contextmanager
def _files(settings: TemporalConnection) -> Iterator[tuple[Path | None, ...]]:
    """Yield CA, certificate and key as files; those given as data are files in memory meanwhile."""
    descriptors: list[int] = []
    paths: list[Path | None] = []
    try:
        for name in _NAMES:
            path: Path | None = getattr(settings, name)
            data: str | None = getattr(settings, name.replace("_path", "_data"))
            if data is not None:
                descriptor = os.memfd_create(name)
                descriptors.append(descriptor)
                os.write(descriptor, data.encode())
                path = Path(f"/proc/self/fd/{descriptor}")
            paths.append(path)
        yield tuple(paths)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
