"""Which values of the header Host a server answers to."""

import pytest

from bridge.runtime.host_header import accepts_host


@pytest.mark.parametrize("listening", ["0.0.0.0", "10.0.0.7", "::"])
@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("10.0.0.7:9464", True),
        ("[fd00::7]:9464", True),
        ("daemon:9464", True),
        ("localhost", True),
        ("daemon.example.com", True),
        ("evil.example.com", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("a b", False),
        ("daemon:port", False),
    ],
)
def test_beyond_loopback(listening: str, header: str, *, accepted: bool) -> None:
    assert accepts_host(header, listening, {"daemon.example.com"}) is accepted


def test_any_name_when_the_setting_says_so() -> None:
    assert accepts_host("anything.example.com", "127.0.0.1", {"*"})


def test_a_name_that_is_listened_on() -> None:
    assert accepts_host("bridge.example.com:9464", "Bridge.example.com", ())
