"""The keys of everything that must happen once. Their values are contract: never change them."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.routes.table import request_id
from eventstore.events import Event, uid
from tests.unit.bridge.strategies import sources, texts

SHOP_42 = UUID("5ff49b66-782b-549b-9c08-7c507f9ca4a5")

identities = st.tuples(sources, texts)
dispatches = st.tuples(
    st.uuids(),
    st.from_regex(r"[a-z0-9][a-z0-9._-]{0,9}", fullmatch=True),
    st.integers(1, 100),
)


def test_the_uid_of_an_event_is_what_it_always_was() -> None:
    assert uid("/shop", "42") == SHOP_42
    assert uid("https://example.com/Müller", "№ 7 😀") == UUID(
        "7d3b73f2-93ca-53c7-a9d4-dbb752c43683"
    )
    assert Event(id="42", source="/shop", type="t").uid == SHOP_42


@pytest.mark.parametrize(
    ("route", "generation", "expected"),
    [
        ("code-generation", 1, "e969f41c-da9d-5953-a4ce-1807f3b6adec"),
        ("code-generation", 2, "28cb86ba-0a14-59ec-8b94-0bf04bd4426a"),
        ("approval", 1, "a68a3a7c-2d9c-5407-a38b-4a5afec93026"),
    ],
)
def test_a_request_id_is_what_it_always_was(route: str, generation: int, expected: str) -> None:
    assert request_id(SHOP_42, route, generation) == UUID(expected)


@pytest.mark.parametrize(
    ("content_type", "data", "expected"),
    [
        (None, None, "bf5de83b1fc9c4da3a2bfca1286ec95ecb07569b244958c7a855eaa1298b88f7"),
        (None, b"null", "7039388b4eb6262128d9b7a62ff3e04e371e5b8b7b0d506e8fb2333b87aad612"),
        (None, b'{"n": 1}', "b9f029c28eaeac6bfcca78d3e5a3388280a0b4d8cc9d6f537b9566af2a79db36"),
        ("a/b", b"\0\xff", "41b7da37036fd2c72b0945e79cbc438e1fb2137f384e33ffd80417d2672bdc5a"),
    ],
)
def test_a_digest_is_what_it_always_was(
    content_type: str | None, data: bytes | None, expected: str
) -> None:
    event = Event(
        id="42",
        source="/shop",
        type="com.example.placed",
        datacontenttype=content_type,
        data=data,
    )
    assert event.digest.hex() == expected


@given(identities, identities)
def test_different_events_have_different_uids(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert (uid(*one) == uid(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("/a", "b"), ("/ab", "")),
        (("/a/b", "c"), ("/a", "b/c")),
        (("/a", "1"), ("/a", "01")),
        (("/a", "é"), ("/a", "e\u0301")),
        (("/A", "b"), ("/a", "b")),
    ],
)
def test_the_border_of_source_and_id_counts(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert uid(*one) != uid(*other)


@given(dispatches, dispatches)
def test_each_event_route_and_generation_has_a_request_id_of_its_own(
    one: tuple[UUID, str, int], other: tuple[UUID, str, int]
) -> None:
    assert (request_id(*one) == request_id(*other)) == (one == other)
