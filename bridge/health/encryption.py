"""Find connections to other machines that the settings allow to be unencrypted. Pure."""

from urllib.parse import urlsplit

from bridge.runtime.findings import Finding
from bridge.runtime.host_header import is_loopback
from bridge.settings.schema import Settings
from eventstore.dsn import plaintext_hosts


def encryption(settings: Settings) -> Finding:
    """Return a warning that names each server for which TLS is not required.

    A server on this machine needs no TLS. Where TLS is not required, an attacker who answers in
    the server's place can refuse encryption and receives user, password and events.
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
        return Finding("encryption", "ok", "every connection to another machine requires TLS")
    return Finding(
        "encryption",
        "warning",
        f"TLS is not required for {', '.join(open_to)}",
        "require TLS, unless the network in between is trusted",
    )


def _nats_hosts(servers: list[str]) -> list[str]:
    hosts = []
    for server in servers:
        url = urlsplit(server if "://" in server else f"nats://{server}")
        if url.scheme in {"nats", "ws"} and not is_loopback(url.hostname or "localhost"):
            hosts.append(url.hostname or "")
    return hosts
