"""The published SDK and this codec read each other's events.

The SDK has no NATS binding; its HTTP binding quotes header values by the same rules, so its
headers are taken as they are. (Its Kafka binding does not quote, so it is no oracle here.)
Where the two differ, `test_sdk_differences` says how and why.
"""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import http
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from bridge.cloudevents.codec import attributes, decode, encode
from eventstore.events import Event
from tests.unit.bridge.strategies import binary, events, extensions, sources, texts

objects = st.dictionaries(
    st.text(max_size=5),
    st.none() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    max_size=4,
)
# RFC 3339 knows offsets in whole minutes, and no zones with a history.
offsets = st.integers(-23 * 60, 23 * 60).map(lambda some: timezone(timedelta(minutes=some)))
moments = st.datetimes(timezones=offsets)
described = st.one_of(
    st.tuples(st.just(None), st.none() | objects),
    st.tuples(st.just("application/json"), objects),
    st.tuples(st.just("image/png"), st.binary(min_size=1, max_size=20)),
    st.tuples(st.just("text/plain"), texts),
)


@st.composite
def sdk_events(draw: st.DrawFn) -> CloudEvent:
    """Events as a publisher makes them who uses the SDK."""
    content_type, data = draw(described)
    optional = {
        "subject": draw(st.none() | texts),
        "time": draw(st.none() | moments),
        "datacontenttype": content_type,
        "dataschema": draw(st.none() | sources.map(lambda rest: f"urn:{rest}")),
    }
    required = {"id": draw(texts), "source": draw(sources), "type": draw(texts)}
    given_ones = {name: value for name, value in optional.items() if value is not None}
    return CloudEvent({**draw(extensions), **required, **given_ones}, data)


@given(sdk_events())
def test_what_the_sdk_renders_in_structured_mode_is_read(event: CloudEvent) -> None:
    message = http.to_structured_event(event)
    assert seen_by_us(decode(message.headers, message.body)) == seen_by_sdk(event)


@given(sdk_events())
def test_what_the_sdk_renders_in_binary_mode_is_read(event: CloudEvent) -> None:
    message = http.to_binary_event(event)
    found, data = seen_by_us(decode(message.headers, message.body))
    expected, sent = seen_by_sdk(event)
    assert found == {name: as_sdk_header(value) for name, value in expected.items()}
    assert data == sent


@given(events())
def test_what_we_render_the_sdk_reads(event: Event) -> None:
    headers, payload = encode(event)
    read = http.from_structured_event(http.HTTPMessage(headers, payload))
    found, data = seen_by_sdk(read)
    expected, sent = seen_by_us(event)
    if event.time is None:
        del found["time"]  # the SDK makes one up
    assert found == expected
    assert data == sent


@given(events())
def test_binary_mode_as_the_binding_has_it_is_read_by_the_sdk(event: Event) -> None:
    read = http.from_binary_event(http.HTTPMessage(*binary(event)))
    found, _ = seen_by_sdk(read)
    expected, _ = seen_by_us(event)
    if event.time is None:
        del found["time"]
    assert found == {name: as_header(value) for name, value in expected.items()}


def seen_by_sdk(event: BaseCloudEvent) -> tuple[dict[str, Any], Any]:
    """Attributes and data of the SDK's event: JSON as values, everything else as bytes."""
    data = event.get_data()
    if isinstance(data, str) and event.get_datacontenttype() == "text/plain":
        data = data.encode()
    return dict(event.get_attributes()), data


def seen_by_us(event: Event) -> tuple[dict[str, Any], Any]:
    """Attributes and data of our event in the same terms."""
    context: dict[str, Any] = {"specversion": "1.0", **attributes(event)}
    if event.time is not None:
        context["time"] = datetime.fromisoformat(event.time)
    if event.data is None or not event.has_json_data:
        return context, event.data
    return context, json.loads(event.data)


def as_header(value: Any) -> Any:
    """Return what is left of an attribute in a header, which knows no types."""
    return str(value).lower() if isinstance(value, int) else value


def as_sdk_header(value: Any) -> Any:
    """The same, as the SDK writes it: Python's True where the specification says true."""
    return str(value) if isinstance(value, int) else value
