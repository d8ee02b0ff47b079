"""Who asks, and what they may do. Pure.

Only requests from this machine may read without a login. A request through a proxy comes from elsewhere, even
if the proxy runs on this machine: a request with a header that proxies add, or with a Host that is not
loopback, needs a login. (A web page can reach loopback through a DNS name that resolves to it, but cannot set
the Host header.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Literal

from bridge.runtime.host_header import accepts_host, is_loopback
from bridge.settings.console import ProxySettings

Role = Literal["viewer", "operator"]

_FORWARDING = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-user",
    "x-real-ip",
    "x-original-host",
    "cf-connecting-ip",
    "true-client-ip",
    "via",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A person, their role, and how they are known: ``token``, ``proxy``, or ``loopback``."""

    name: str
    role: Role
    via: Literal["token", "proxy", "loopback"]

    @property
    def may_act(self) -> bool:
        """Whether this person may change something."""
        return self.role == "operator"


LOCAL = Identity("this machine", "viewer", "loopback")
"""Who reads on loopback without a login."""


def without_login(
    peer: str, headers: Mapping[str, str], proxy: ProxySettings
) -> Identity | None:
    """Return who asks without a session; None if they must log in.

    Args:
        peer: The address of the connection.
        headers: The request's headers; names in lower case.
        proxy: The trusted proxy.
    """
    name = headers.get(proxy.user_header.lower(), "").strip()
    if name and _is_among(peer, proxy):
        return Identity(name, "operator" if name in proxy.operators else "viewer", "proxy")
    if not is_loopback(peer) or is_forwarded(headers, proxy):
        return None
    return LOCAL if accepts_host(headers.get("host", ""), "127.0.0.1", ()) else None


def is_forwarded(headers: Mapping[str, str], proxy: ProxySettings) -> bool:
    """Return whether a header says that a proxy forwarded the request."""
    return any(name in headers for name in (*_FORWARDING, proxy.user_header.lower()))


def _is_among(peer: str, proxy: ProxySettings) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in ip_network(each, strict=False) for each in proxy.addresses)
