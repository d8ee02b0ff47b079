import sys
from uuid import uuid5

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from eventstore.events import UID_NAMESPACE, Event, uid, uid_bytes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def event(data: bytes) -> Event:
    return Event(id="1", source="/s", type="t", data=data)


@given(JSON, st.integers(1, 4))
def test_white_space_between_tokens_does_not_count(value: object, indent: int) -> None:
    compact = msgspec.json.encode(value)
    spaced = msgspec.json.format(compact, indent=indent)
    assert event(compact).digest == event(spaced).digest


def test_white_space_in_strings_counts() -> None:
    assert event(b'"a b"').digest != event(b'"ab"').digest


def test_a_deeply_nested_body_has_the_same_digest_however_deep_the_stack() -> None:
    depth = sys.getrecursionlimit() // 2
    data = b"[" * depth + b' "a \\" b" ' + b"]" * depth
    shallow = event(data).digest

    def deeper(levels: int) -> bytes:
        return deeper(levels - 1) if levels else event(data).digest

    assert deeper(sys.getrecursionlimit() // 2) == shallow
    assert event(b"[" * 100_000).digest == event(b" [" * 100_000).digest


@given(st.text(), st.text())
def test_a_uid_is_the_uuid5_of_source_and_id(source: str, event_id: str) -> None:
    expected = uuid5(UID_NAMESPACE, f"{source}\n{event_id}")
    assert uid(source, event_id) == expected
    assert uid_bytes(source, event_id) == expected.bytes
