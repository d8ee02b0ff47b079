"""From where data may be fetched: nothing that could be read in two ways, nothing beside the allowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.settings.dataref import DatarefSettings, Origin

ALLOWED = "https://files.example.com/claims"
PARTS = st.text("abc.-_~%41", min_size=1, max_size=6).filter(lambda part: part.strip("."))


def may(address: str, allowed: str = ALLOWED) -> bool:
    return Origin.of(allowed).covers(Origin.of(address))


@pytest.mark.parametrize(
    "address",
    [
        "https://files.example.com/claims",
        "https://files.example.com/claims/1.json",
        "https://files.example.com:443/claims/a/b?signature=x%2Fy",
        "HTTPS://FILES.example.com/claims/1",
    ],
)
def test_what_is_below_an_origin_may_be_fetched(address: str) -> None:
    assert may(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://files.example.com/claimsandmore/1",
        "https://files.example.com/",
        "https://files.example.com:8443/claims/1",
        "https://example.com/claims/1",
        "https://files.example.com.evil.com/claims/1",
        "s3://files.example.com/claims/1",
        "http://127.0.0.1/claims/1",
    ],
)
def test_what_is_elsewhere_may_not(address: str) -> None:
    assert not may(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://files.example.com/claims/../secret",
        "https://files.example.com/claims/%2e%2e/secret",
        "https://files.example.com/claims/..%2fsecret",
        "https://files.example.com/claims/..\\secret",
        "https://user:secret@files.example.com/claims/1",
        "https://files.example.com@evil.com/claims/1",
        "https://files.example.com/claims/1#x",
        "https://files.example.com/claims/a b",
        "https://files.example.com/claims/1\r\nHost: evil",
        "https:///claims/1",
        "http://files.example.com/claims/1",
        "https://[::1/claims/1",
        "https://files.example.com:port/claims",
        "file://host/claims",
        "gopher://files.example.com/claims",
        "//files.example.com/claims/1",
        "claims/1",
        "",
    ],
)
def test_what_could_be_read_in_two_ways_is_no_address(address: str) -> None:
    with pytest.raises(
        ValueError, match=r"URL|must begin|leads elsewhere|names no|unencrypted"
    ):
        Origin.of(address)
    with pytest.raises(ValidationError):
        DatarefSettings(origins=(address,))


@given(st.lists(PARTS, max_size=3), st.lists(PARTS, min_size=1, max_size=3))
def test_an_origin_covers_exactly_what_is_below_it(base: list[str], more: list[str]) -> None:
    try:
        below = "/".join(["s3://bucket", *base])
        whole = "/".join([below, *more])
        beside = "/".join(["s3://bucket", *base[:-1], (base or [""])[-1] + "x", *more])
        origin, other, sibling = Origin.of(below), Origin.of(whole), Origin.of(beside)
    except ValueError:
        return
    assert origin.covers(other)
    assert origin.covers(origin)
    if base:
        assert not origin.covers(sibling)
