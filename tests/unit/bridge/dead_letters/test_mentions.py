"""Which event a message speaks of, as far as it can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.dead_letters.mentions import UNKNOWN, Mention, mentioned

WHOLE = Mention(id="1", source="/a", type="t")


@pytest.mark.parametrize(
    ("headers", "payload", "expected"),
    [
        ({"Ce-Id": "1", "ce-source": "/a", "CE-TYPE": "t"}, b"\xff", WHOLE),
        ({"ce-id": "a%20b"}, b"", Mention(id="a b")),
        ({}, b'{"id": "1", "source": "/a", "type": "t"}', WHOLE),
        (None, b'{"id": "1", "source": "/a", "type": "t"', WHOLE),
        (None, b'{"id": 7, "source": "/a", "type": null}', Mention(source="/a")),
        (None, b'[{"id": "1"}]', UNKNOWN),
        (None, b"", UNKNOWN),
        (None, None, UNKNOWN),
        ({"ce-id": ""}, b'{"id": "1"}', Mention(id="1")),
        (None, b'{"id": "' + b"x" * 900 + b'"', Mention(id="x" * 900)),
        (None, b"[" * 100_000 + b'"id": "deep"', UNKNOWN),
    ],
)
def test_what_is_read(
    headers: dict[str, str] | None, payload: bytes | None, expected: Mention
) -> None:
    assert mentioned(headers, payload) == expected


@given(st.dictionaries(st.text(), st.text()), st.binary())
def test_nothing_is_ever_raised(headers: dict[str, str], payload: bytes) -> None:
    mentioned(headers, payload)
