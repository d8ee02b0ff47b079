"""The rule about unencrypted connections, for daemon, commands and workers. Pure.

A connection to another machine must be encrypted, unless the operator has said otherwise. What was allowed
is shown by ``/readyz``, ``/status`` and ``ntbridge doctor``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from typing_extensions import override

from bridge.runtime.findings import Finding
from bridge.runtime.host_header import is_loopback
from bridge.runtime.temporal_connection import TemporalConnection

CHECK = "encryption"


@dataclass(frozen=True, slots=True)
class PlainConnection:
    """A connection to another machine that is not encrypted, or need not be.

    Attributes:
        server: The kind of server, and the host.
        to_do: The setting that encrypts it.
    """

    server: str
    to_do: str

    @override
    def __str__(self) -> str:
        """Return the server and the setting."""
        return f"{self.server} ({self.to_do})"


def plain_temporal(temporal: TemporalConnection) -> list[PlainConnection]:
    """Return the connection to Temporal, if it is unencrypted and leaves this machine."""
    if temporal.is_encrypted or temporal.is_local:
        return []
    return [
        PlainConnection(f"Temporal {temporal.host}", "set temporal.tls: true, TEMPORAL_TLS")
    ]


def plain_postgres(hosts: Sequence[str]) -> list[PlainConnection]:
    """Return the connections to Postgres; ``hosts`` are those of `eventstore.dsn.plaintext_hosts`."""
    to_do = "add sslmode=verify-full to database.url, DATABASE_URL"
    return [PlainConnection(f"Postgres {host}", to_do) for host in hosts]


def plain_redis(url: str) -> list[PlainConnection]:
    """Return the connection to Redis, if it is unencrypted and leaves this machine."""
    address = urlsplit(url)
    if address.scheme != "redis" or is_loopback(address.hostname or "localhost"):
        return []
    return [PlainConnection(f"Redis {address.hostname}", "write rediss:// in REDIS_URL")]


def refusal(plain: Sequence[PlainConnection], *, insecure: bool) -> str | None:
    """Return why a program with these connections must not start; None if it may."""
    if insecure or not plain:
        return None
    return (
        f"the connection is not encrypted, or need not be: {', '.join(map(str, plain))}; encrypt it, "
        "or allow unencrypted connections to other machines, in a private network, with insecure: "
        "true, NTBRIDGE_INSECURE=true or --insecure"
    )


def encryption_finding(plain: Sequence[PlainConnection], *, insecure: bool) -> Finding:
    """Return the finding for ``/readyz`` and ``ntbridge doctor``."""
    if not plain:
        return Finding(CHECK, "ok", "every connection to another machine requires TLS")
    named = ", ".join(each.server for each in plain)
    to_do = "; ".join(dict.fromkeys(each.to_do for each in plain))
    if insecure:
        return Finding(
            CHECK,
            "warning",
            f"insecure is set, and TLS is not required for {named}",
            f"{to_do}; keep it only where the network in between is trusted",
        )
    return Finding(
        CHECK,
        "failed",
        f"TLS is not required for {named}",
        f"{to_do}; or set insecure: true (NTBRIDGE_INSECURE), in a private network",
    )
