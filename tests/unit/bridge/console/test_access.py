"""Who may read without a login, and who a proxy names."""

import pytest

from bridge.console.access import LOCAL, Identity, without_login
from bridge.settings.console import ProxySettings

NO_PROXY = ProxySettings()
PROXY = ProxySettings(addresses=("10.0.0.0/8", "::1"), operators=("ada",))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8235", "localhost", "[::1]:8235"])
def test_this_machine_reads_without_a_login(peer: str, host: str) -> None:
    assert without_login(peer, {"host": host}, NO_PROXY) == LOCAL
    assert not LOCAL.may_act


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("192.0.2.1", {"host": "127.0.0.1"}),
        ("", {"host": "127.0.0.1"}),
        ("127.0.0.1", {"host": "console.example.com"}),
        ("127.0.0.1", {"host": "127.0.0.1.example.com"}),
        ("127.0.0.1", {}),
        ("127.0.0.1", {"host": "127.0.0.1", "x-forwarded-for": "192.0.2.1"}),
        ("127.0.0.1", {"host": "127.0.0.1", "forwarded": "for=192.0.2.1"}),
        ("127.0.0.1", {"host": "127.0.0.1", "via": "1.1 proxy"}),
        ("127.0.0.1", {"host": "127.0.0.1", "x-real-ip": "127.0.0.1"}),
        ("127.0.0.1", {"host": "127.0.0.1", "x-forwarded-user": "ada"}),
        ("127.0.0.1", {"host": "127.0.0.1", "x-forwarded": "yes"}),
        ("127.0.0.1", {"host": "127.0.0.1", "x-original-url": "/"}),
        ("127.0.0.1", {"host": "127.0.0.1", "cf-connecting-ip": "192.0.2.1"}),
        ("127.0.0.1", {"host": "127.0.0.1", "referer": "https://console.example.com/"}),
        ("127.0.0.1", {"host": "127.0.0.1", "origin": "http://192.0.2.1:8235"}),
        (
            "127.0.0.1",
            {
                "host": "127.0.0.1",
                "referer": "https://console.example.com/events",
                "sec-fetch-site": "same-origin",
            },
        ),
    ],
)
def test_everyone_else_must_log_in(peer: str, headers: dict[str, str]) -> None:
    assert without_login(peer, headers, NO_PROXY) is None


def test_a_proxy_that_speaks_http_1_0_and_adds_nothing_needs_a_login() -> None:
    assert without_login("127.0.0.1", {"host": "127.0.0.1:8235"}, NO_PROXY, "1.0") is None


@pytest.mark.parametrize(
    "headers",
    [
        {"referer": "http://127.0.0.1:8235/events", "sec-fetch-site": "same-origin"},
        {"origin": "http://localhost:8235"},
        {"origin": "null"},
        {"referer": "https://wiki.example.com/", "sec-fetch-site": "cross-site"},
    ],
)
def test_pages_of_this_machine_and_links_of_others_need_none(headers: dict[str, str]) -> None:
    assert without_login("127.0.0.1", {"host": "127.0.0.1:8235", **headers}, NO_PROXY) == LOCAL


def test_a_trusted_proxy_names_people() -> None:
    headers = {"host": "console.example.com", "x-forwarded-user": "ada"}
    assert without_login("10.1.2.3", headers, PROXY) == Identity("ada", "operator", "proxy")
    headers["x-forwarded-user"] = "bob"
    assert without_login("10.1.2.3", headers, PROXY) == Identity("bob", "viewer", "proxy")
    assert without_login("192.0.2.1", headers, PROXY) is None
    assert without_login("127.0.0.1", headers, PROXY) is None
    del headers["x-forwarded-user"]
    assert without_login("10.1.2.3", headers, PROXY) is None


def test_the_addresses_of_a_proxy_must_be_addresses() -> None:
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 network"):
        ProxySettings(addresses=("proxy.example.com",))
