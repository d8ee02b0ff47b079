"""The values of the header ``Host`` that the HTTP server accepts. Pure.

A web page in a browser can reach servers on loopback or in a private network through a DNS name
that resolves to them (DNS rebinding). The browser sends that name as ``Host``, so a server that
accepts only its own names is safe.
Source: RFC 9110, section 7.2 (Host), and section 15.5.20 (421 Misdirected Request).
"""

import re
from collections.abc import Collection
from ipaddress import ip_address

_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?")


def accepts_host(header: str, listening: str, names: Collection[str]) -> bool:
    """Return whether a server accepts a ``Host`` header.

    It accepts its own address, ``localhost`` and ``names``. A server that listens on more than
    loopback also accepts every IP address and every name without a dot: probes, scrapers and
    service names of a cluster send those, and no public DNS name has that form.

    Args:
        header: The header's value: a host, optionally a port.
        listening: The host that the server listens on.
        names: Additional names, in lower case; ``*`` accepts any.
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
    """Return whether a host is a loopback address."""
    return host == "localhost" or (_is_ip(host) and ip_address(host).is_loopback)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
