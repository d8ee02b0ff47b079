"""The settings of data that events name by ``dataref``, and the origins that they allow. Pure."""

import re
from typing import Annotated, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ByteSize, Field

from bridge.runtime.durations import Duration
from bridge.runtime.host_header import is_loopback
from bridge.settings.source_settings import Section

_PORTS = {"http": 80, "https": 443}
_SCHEMES = frozenset({"http", "https", "s3", "gs", "az", "file"})
_SAFE = re.compile(r"[\x21-\x7e]+")
_ESCAPED_DOT_OR_SLASH = re.compile(r"%(?:2e|2f|5c)", re.IGNORECASE)


class Origin(NamedTuple):
    """The part of an address that decides: what is before the path, and the path."""

    scheme: str
    host: str
    port: int | None
    path: str

    @classmethod
    def of(cls, address: str) -> Self:
        """Return the origin of an address.

        Raises:
            ValueError: It is no absolute URL of a known scheme, has credentials, or could be read in
                two ways.
        """
        try:
            parts = urlsplit(address)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise ValueError(f"{address[:200]!r} is not a URL") from None
        scheme = parts.scheme.lower()
        if scheme not in _SCHEMES:
            raise ValueError(
                f"{address[:200]!r}: it must begin with https://, s3://, gs://, az:// or file:///"
            )
        if parts.username or parts.password:
            raise ValueError("the URL has a user or password: use a signed URL, or a role")
        if not _SAFE.fullmatch(address) or "\\" in address or parts.fragment:
            raise ValueError(f"{address[:200]!r} has characters that a URL may not have")
        if bool(host) == (scheme == "file"):
            raise ValueError(f"{address[:200]!r} names no host or bucket")
        if scheme == "http" and not is_loopback(host):
            raise ValueError(f"{address[:200]!r} would be read unencrypted: use https://")
        path = parts.path or "/"
        if {".", ".."} & set(path.split("/")) or _ESCAPED_DOT_OR_SLASH.search(path):
            raise ValueError(f"{address[:200]!r}: its path leads elsewhere")
        return cls(scheme, host, port or _PORTS.get(scheme), path)

    def covers(self, other: "Origin") -> bool:
        """Return whether another address is below this one, by whole parts of the path."""
        below = self.path if self.path.endswith("/") else f"{self.path}/"
        return self[:3] == other[:3] and (
            other.path.startswith(below) or other.path == self.path
        )


_DEFAULT_BYTES = 50 * 2**20
_MAX_BYTES = 2**30


def _check(text: str) -> str:
    Origin.of(text)
    return text


class DatarefSettings(Section):
    """The data of events that name them by ``dataref``."""

    origins: tuple[Annotated[str, AfterValidator(_check)], ...] = ()
    """Where data may be fetched from: ``https://files.example.com/claims/``, ``s3://bucket/prefix/``, ``gs://…``,
    ``az://…`` or ``file:///folder/``; default: nowhere."""
    max_bytes: ByteSize = Field(ByteSize(_DEFAULT_BYTES), ge=1, le=_MAX_BYTES)
    """Larger data are a dead letter."""
    timeout: Duration = 30.0
    """Timeout of one fetch."""
    in_flight: int = Field(4, ge=1, le=100)
    """Maximum number of calls at a time whose data were fetched."""
