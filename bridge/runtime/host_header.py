"""Which values of the header ``Host`` a server of pages accepts. Pure.

A page in somebody's browser can reach servers on loopback and in a private network through a DNS
name of its own that points there (DNS rebinding). The browser then sends that name as ``Host``, so
a server that answers to its own names only gives nothing away.
Source: RFC 9110, section 7.2 (Host), and section 15.5.20 (421 Misdirected Request).
"""

import re
from collections.abc import Collection
from ipaddress import ip_address

_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?")


def accepts_host(header: str, listening: str, names: Collection[str]) -> bool:
    """Tell whether a server that listens on an address answers to a ``Host`` header.

    It answers to its address, to ``localhost`` and to ``names``. A server that listens on more
    than loopback also answers to every IP address and to every name without a dot: a cluster's
    probes, scrapers and service names send those, and no public DNS name is like them.

    Args:
        header: The header's value, a host and perhaps a port.
        listening: The host that the server was told to listen on.
        names: Further names, in lower case; ``*`` stands for any.
    """
    if "*" in names:
        return True
    found = _HOST.fullmatch(header.strip())
    if found is None:
        return False
    host = (found["v6"] or found["name"]).lower().removesuffix(".")
    if host in {"localhost", listening.lower()} or host in names:
        return True
    if is_loopback(listening):
        return is_loopback(host)
    return _is_ip(host) or "." not in host


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine alone."""
    return host == "localhost" or (_is_ip(host) and ip_address(host).is_loopback)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
