"""Which connections to other machines may be unencrypted, by the settings. Pure."""

from urllib.parse import urlsplit

from bridge.runtime.findings import Finding
from bridge.runtime.host_header import is_loopback
from bridge.settings.schema import Settings
from eventstore.dsn import plaintext_hosts


def encryption(settings: Settings) -> Finding:
    """Return a warning that names each server to which TLS is not demanded.

    A server on this machine needs none. Without a demand, whoever answers in the server's place
    decides that nothing is encrypted, and is given user, password and events.
    """
    open_to = [
        *(
            f"Postgres {host} (add sslmode=verify-full to database.url)"
            for host in plaintext_hosts(settings.database.url)
        ),
        *(
            f"NATS {host} (write tls:// in nats.url)"
            for host in _nats_hosts(settings.nats.servers)
        ),
    ]
    if not open_to:
        return Finding("encryption", "ok", "every connection to another machine demands TLS")
    return Finding(
        "encryption",
        "warning",
        f"TLS is not demanded of {', '.join(open_to)}",
        "demand TLS, unless the network between is trusted",
    )


def _nats_hosts(servers: list[str]) -> list[str]:
    hosts = []
    for server in servers:
        url = urlsplit(server if "://" in server else f"nats://{server}")
        if url.scheme in {"nats", "ws"} and not is_loopback(url.hostname or "localhost"):
            hosts.append(url.hostname or "")
    return hosts
