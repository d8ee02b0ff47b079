"""The settings of ``ntbridge console``."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from bridge.runtime.durations import Duration
from bridge.settings.source_settings import Section


class ProxySettings(Section):
    """A proxy that logs people in and names them in a header."""

    addresses: tuple[str, ...] = ()
    """Addresses or networks of the proxy (``10.0.0.0/8``). From elsewhere the header is ignored."""
    user_header: str = Field("X-Forwarded-User", pattern=r"^[A-Za-z0-9-]+$")
    """The header with the name of the person. The proxy must remove it from what it receives."""
    operators: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """The people who may act; all others only read."""

    @field_validator("addresses")
    @classmethod
    def _are_networks(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for each in addresses:
            ip_network(each, strict=False)
        return addresses


class ConsoleSettings(Section):
    """``ntbridge console``."""

    host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on. On loopback, reading needs no login."""
    port: int | None = Field(None, ge=0, le=65_535)
    """0: any free port; the log shows it. Default: 8235, or any free port if that is in use."""
    tokens: Path | None = None
    """File of the hashed login tokens; ``ntbridge console-token`` makes its entries."""
    operator_sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the token of one operator, instead of a file."""
    proxy: ProxySettings = ProxySettings()
    temporal_ui: str | None = Field(None, pattern=r"^https?://[^\s\"'<>]+$")
    """Address of Temporal's web interface, for links to runs."""
    session: Duration = 8 * 3600.0
    """How long a login lasts."""
    secure_cookie: bool = False
    """Whether the cookie of a login is sent over HTTPS only: for a console behind a TLS proxy."""
