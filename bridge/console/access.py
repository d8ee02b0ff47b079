"""Who asks, and what they may do. Pure.

Only requests from this machine may read without a login. A request through a proxy comes from elsewhere, even
if the proxy runs on this machine. So these need a login: a request with a header that proxies add, one with a
Host that is not loopback, one of HTTP/1.0 (the default of nginx, which adds no header and writes the address
of this console into Host; no browser speaks it), and one whose page has another address than loopback. (A web
page can reach loopback through a DNS name that resolves to it, but cannot set the Host header.)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Literal
from urllib.parse import urlsplit

from bridge.runtime.host_header import accepts_host, is_loopback
from bridge.settings.console import ProxySettings

Role = Literal["viewer", "operator"]

_FORWARDING = (
    *("forwarded", "via", "x-scheme", "x-rewrite-url", "true-client-ip", "fastly-client-ip"),
    *("client-ip", "x-client-ip", "x-cluster-client-ip"),
)
_FORWARDING_BEGIN = (
    *("x-forwarded", "x-original-", "x-real-", "x-proxy", "x-envoy-", "x-amzn-", "x-azure-"),
    *("cf-", "x-appengine-"),
)
_OLD = ("0.9", "1.0")


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
    peer: str, headers: Mapping[str, str], proxy: ProxySettings, http: str = "1.1"
) -> Identity | None:
    """Return who asks without a session; None if they must log in.

    Args:
        peer: The address of the connection.
        headers: The request's headers; names in lower case.
        proxy: The trusted proxy.
        http: The version of HTTP.
    """
    name = headers.get(proxy.user_header.lower(), "").strip()
    if name and _is_among(peer, proxy):
        return Identity(name, "operator" if name in proxy.operators else "viewer", "proxy")
    if not is_loopback(peer) or http in _OLD or is_forwarded(headers, proxy):
        return None
    return LOCAL if accepts_host(headers.get("host", ""), "127.0.0.1", ()) else None


def is_forwarded(headers: Mapping[str, str], proxy: ProxySettings) -> bool:
    """Return whether a header says that a proxy forwarded the request."""
    return any(
        name in (*_FORWARDING, proxy.user_header.lower()) or name.startswith(_FORWARDING_BEGIN)
        for name in headers
    ) or _is_page_elsewhere(headers)


def _is_page_elsewhere(headers: Mapping[str, str]) -> bool:
    """Return whether the page that asks is this console's and has an address that is not loopback."""
    # A browser marks a request that comes from a link on another site: its Host and address prove nothing.
    if headers.get("sec-fetch-site") == "cross-site":
        return False
    pages = (headers.get(name, "") for name in ("origin", "referer"))
    hosts = (urlsplit(page).netloc for page in pages if page.startswith(("http:", "https:")))
    return any(not accepts_host(host, "127.0.0.1", ()) for host in hosts)


def _is_among(peer: str, proxy: ProxySettings) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in ip_network(each, strict=False) for each in proxy.addresses)
