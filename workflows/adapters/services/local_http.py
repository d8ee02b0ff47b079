"""An HTTP client for servers of this machine."""

import ssl
from typing import Final

import httpx

# No authorities: reading those of the machine blocks the event loop for up to half a second.
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def local_client(
    timeout: httpx.Timeout | float, *, connections: int = 100
) -> httpx.AsyncClient:
    """Return a client for plain HTTP; https:// fails, and no proxy is used."""
    limits = httpx.Limits(max_connections=connections)
    return httpx.AsyncClient(timeout=timeout, limits=limits, trust_env=False, verify=_NO_TLS)
