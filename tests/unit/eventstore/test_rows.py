import pytest

from eventstore.appending import StreamAppend, prepare, rounds
from eventstore.errors import InvalidEvent
from eventstore.rows import encode
from tests.unit.eventstore.builders import new_event, prepared


@pytest.mark.parametrize(
    "event",
    [
        new_event("a\0b"),
        new_event("\ud800"),
        new_event(subject="\0"),
        new_event(subject="\udfff"),
        new_event(type=""),
        new_event(type="x" * 2001),
        new_event(type="é" * 1001),
        new_event(extensions={"note": "\0"}),
        new_event(extensions={"note": "\ud800"}),
        new_event(topic="a\0b"),
        new_event(tenant="\ud800"),
    ],
)
def test_what_postgres_could_not_keep_is_refused_before_it_is_sent(event: object) -> None:
    with pytest.raises(InvalidEvent):
        prepare(StreamAppend("stream", [event]))  # type: ignore[list-item]


@pytest.mark.parametrize("stream", ["", "\0", "\ud800", "s" * 2001])
def test_so_is_a_stream_s_name(stream: str) -> None:
    with pytest.raises(InvalidEvent):
        prepared(stream)


def test_a_text_with_a_backslash_u0000_in_it_is_no_nul() -> None:
    encode(new_event(extensions={"note": "a\\u0000b"}))


def test_an_append_holds_something_and_nothing_twice() -> None:
    with pytest.raises(InvalidEvent, match="without events"):
        prepare(StreamAppend("stream", []))
    event = new_event()
    with pytest.raises(InvalidEvent, match="twice"):
        prepared("stream", event, event)


def test_one_event_in_several_members_makes_rounds_and_streams_keep_their_order() -> None:
    first, second, third = new_event(), new_event(), new_event()
    members = [
        prepared("a", first),
        prepared("a", first),
        prepared("a", second),
        prepared("b", third),
        prepared("b", first),
    ]
    assert rounds(members) == [[0, 3], [1, 2], [4]]
    assert rounds(members[:1]) == [[0]]
    assert rounds([members[0], members[3]]) == [[0, 1]]
