"""Valid events of every shape, and how a publisher renders them in binary mode."""

import string
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import msgspec
from hypothesis import strategies as st

from bridge.cloudevents.codec import attributes
from eventstore.events import Event

_NOT_CHARACTERS = "".join(chr(code) for code in range(0xFDD0, 0xFDF0)) + "".join(
    chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF)
)
_CONTEXT = ("id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
_RESERVED = {*_CONTEXT, "specversion", "data"}
# What the NATS binding leaves as it is in a header's value.
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')

texts = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=_NOT_CHARACTERS),
    min_size=1,
    max_size=30,
)
sources = st.from_regex(r"[A-Za-z0-9/:._~?#@!$&'()*+,;=%-]{1,30}", fullmatch=True)
extensions = st.dictionaries(
    st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(
        lambda name: name not in _RESERVED
    ),
    texts | st.just("") | st.booleans() | st.integers(-(2**31), 2**31 - 1),
    max_size=4,
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@st.composite
def times(draw: st.DrawFn) -> str:
    """An RFC 3339 time with up to nine digits of a second, in any zone."""
    moment = draw(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - zone below
    minutes = draw(st.integers(-14 * 60, 14 * 60))
    zone = timezone(timedelta(minutes=minutes))
    fraction = draw(st.from_regex(r"(\.[0-9]{1,9})?", fullmatch=True))
    text = moment.replace(microsecond=0, tzinfo=zone).isoformat()
    return f"{text[:19]}{fraction}{draw(st.sampled_from([text[19:], 'Z']))}"


json_bytes = json_values.map(msgspec.json.encode)
contents: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({}),
    st.fixed_dictionaries(
        {"data": json_bytes},
        optional={
            "datacontenttype": st.sampled_from(
                [
                    "application/json",
                    "text/json",
                    "application/vnd.example+json; charset=utf-8",
                ],
            ),
        },
    ),
    st.fixed_dictionaries(
        {
            "data": st.binary(min_size=1, max_size=50),
            "datacontenttype": st.sampled_from(["application/octet-stream", "text/plain"]),
        },
    ),
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Any valid event whose JSON data is written without white space."""
    return Event(
        id=draw(texts),
        source=draw(sources),
        type=draw(texts),
        subject=draw(st.none() | texts),
        time=draw(st.none() | times()),
        dataschema=draw(st.none() | sources.map(lambda rest: f"urn:{rest}")),
        extensions=draw(extensions),
        **draw(contents),
    )


def binary(event: Event) -> tuple[dict[str, str], bytes]:
    """Render an event in binary mode, as the NATS binding tells publishers to."""
    named = {"specversion": "1.0", **attributes(event)}
    return {f"ce-{name}": _value(value) for name, value in named.items()}, event.data or b""


def as_texts(event: Event) -> Event:
    """Return the event as binary mode can tell it: headers know no types."""
    untyped = {name: _text(value) for name, value in event.extensions.items()}
    return msgspec.structs.replace(event, extensions=untyped)


def _value(value: str | int) -> str:
    return quote(_text(value), safe=_PLAIN)


def _text(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
