"""Where the SDK (2.2) and this codec differ, and why. Whoever uses both should know.

Each line is a message, what we make of it, and what the SDK makes of it: a refusal, or a look
at the event. A line that fails after an upgrade of the SDK may be a difference less.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import http

from bridge.cloudevents.codec import decode
from bridge.errors import DecodeError
from eventstore.events import Event

STRUCTURED = {"content-type": "application/cloudevents+json"}
BINARY = {"ce-specversion": "1.0", "ce-id": "42", "ce-source": "/shop", "ce-type": "t"}


@dataclass(frozen=True)
class Difference:
    """One message; ``ours`` and ``theirs`` are a look at the event, or None for a refusal."""

    reason: str
    headers: dict[str, str]
    payload: bytes
    ours: Callable[[Event], bool] | None
    theirs: Callable[[BaseCloudEvent], bool] | None


def structured(members: str) -> tuple[dict[str, str], bytes]:
    base = '{"specversion": "1.0", "source": "/shop", "type": "t"'
    return STRUCTURED, f"{base}, {members}}}".encode()


def with_id(members: str) -> tuple[dict[str, str], bytes]:
    return structured(f'"id": "42", {members}')


def headers(more: dict[str, str], payload: bytes = b"") -> tuple[dict[str, str], bytes]:
    return {**BINARY, **more}, payload


DIFFERENCES = [
    Difference(
        "the SDK makes up a missing id, so that each delivery is another event",
        *structured('"subject": "x"'),
        ours=None,
        theirs=lambda event: len(event.get_id()) == 36,
    ),
    Difference(
        "the SDK makes up a missing time",
        *with_id('"subject": "x"'),
        ours=lambda event: event.time is None,
        theirs=lambda event: event.get_time() is not None,
    ),
    Difference(
        "the SDK drops the data null; for us it is not the same as no data",
        *with_id('"data": null'),
        ours=lambda event: event.data == b"null",
        theirs=lambda event: event.get_data() is None,
    ),
    Difference(
        "null means unset in the JSON format; the SDK takes it for a value of a wrong type",
        *with_id('"subject": null'),
        ours=lambda event: event.subject is None,
        theirs=None,
    ),
    Difference(
        "an empty text is no data for us, since binary mode cannot tell the two apart",
        *with_id('"datacontenttype": "text/plain", "data": ""'),
        ours=lambda event: event.data is None,
        theirs=lambda event: event.get_data() == "",
    ),
    Difference(
        "control characters are forbidden in strings",
        *with_id(r'"subject": "a\u0001b"'),
        ours=None,
        theirs=lambda event: event.get_subject() == "a\x01b",
    ),
    Difference(
        "half a character is none",
        *with_id(r'"subject": "\ud800"'),
        ours=None,
        theirs=lambda event: event.get_subject() == "\ud800",
    ),
    Difference(
        "NaN is no JSON",
        *with_id('"data": NaN'),
        ours=None,
        theirs=lambda event: str(event.get_data()) == "nan",
    ),
    Difference(
        "the SDK skips what is no base64",
        *with_id('"data_base64": "#YQ#=="'),
        ours=None,
        theirs=lambda event: event.get_data() == b"a",
    ),
    Difference(
        "of two members of one name the SDK takes the last",
        *with_id('"id": "43"'),
        ours=None,
        theirs=lambda event: event.get_id() == "43",
    ),
    Difference(
        "an extension is a string, a boolean or an integer; the SDK takes anything",
        *with_id('"ext": {"a": [1.5]}'),
        ours=None,
        theirs=lambda event: event.get_extension("ext") == {"a": [1.5]},
    ),
    Difference(
        "an integer has 32 bits",
        *with_id('"ext": 2147483648'),
        ours=None,
        theirs=lambda event: event.get_extension("ext") == 2**31,
    ),
    Difference(
        "a source is a URI reference",
        *headers({"ce-source": "%20"}),
        ours=None,
        theirs=lambda event: event.get_source() == " ",
    ),
    Difference(
        "a leap second is a time; Python's datetime knows none",
        *with_id('"time": "2016-12-31T23:59:60Z"'),
        ours=lambda event: event.time == "2016-12-31T23:59:60Z",
        theirs=None,
    ),
    Difference(
        "nanoseconds are kept; Python's datetime cuts them off",
        *with_id('"time": "2024-05-01T12:00:00.123456789Z"'),
        ours=lambda event: event.time == "2024-05-01T12:00:00.123456789Z",
        theirs=lambda event: getattr(event.get_time(), "microsecond", None) == 123456,
    ),
    Difference(
        "RFC 3339 wants seconds; the SDK reads all of ISO 8601",
        *with_id('"time": "2024-05-01T12Z"'),
        ours=None,
        theirs=lambda event: event.get_time() is not None,
    ),
    Difference(
        "the binding has receivers reject what is no UTF-8; the SDK puts question marks",
        *headers({"ce-subject": "%C0%A0"}),
        ours=None,
        theirs=lambda event: "\ufffd" in (event.get_subject() or ""),
    ),
    Difference(
        "the binding has receivers unquote values",
        *headers({"ce-subject": '"a b"'}),
        ours=lambda event: event.subject == "a b",
        theirs=lambda event: event.get_subject() == '"a b"',
    ),
    Difference(
        "in the NATS binding ce-datacontenttype is the attribute; HTTP has Content-Type only",
        *headers({"ce-datacontenttype": "text/plain", "content-type": "a/b"}, b"x"),
        ours=lambda event: event.datacontenttype == "text/plain",
        theirs=lambda event: event.get_datacontenttype() == "a/b",
    ),
    Difference(
        "what is declared as JSON and is not would fail in the workflow",
        *headers({"content-type": "application/json"}, b"{"),
        ours=None,
        theirs=lambda event: event.get_data() == "{",
    ),
]


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.reason)
def test_ours(difference: Difference) -> None:
    if difference.ours is None:
        with pytest.raises(DecodeError):
            decode(difference.headers, difference.payload)
    else:
        assert difference.ours(decode(difference.headers, difference.payload))


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.reason)
def test_theirs(difference: Difference) -> None:
    message = http.HTTPMessage(difference.headers, difference.payload)
    if difference.theirs is None:
        # Its refusals are of many kinds, TypeErrors of the standard library among them.
        with pytest.raises(Exception):  # noqa: B017, PT011 - any
            http.from_http_event(message)
    else:
        assert difference.theirs(http.from_http_event(message))
