"""Events for the store's tests."""

import secrets
from typing import Any

from eventstore.events import Event, NewEvent
from eventstore.expected import ANY, ExpectedVersion
from eventstore.prepared import PreparedAppend, StreamAppend, prepare


def new_event(
    event_id: str | None = None,
    *,
    source: str = "/tests",
    type: str = "io.example.orders.placed.v1",  # noqa: A002 - the attribute's name
    data: bytes | None = b'{"n":1}',
    extensions: dict[str, str | int | bool] | None = None,
    **more: Any,
) -> NewEvent:
    attributes = ("subject", "time", "datacontenttype", "dataschema")
    envelope = {name: more.pop(name) for name in attributes if name in more}
    event = Event(
        id=event_id or secrets.token_hex(8),
        source=source,
        type=type,
        data=data,
        extensions=extensions or {},
        **envelope,
    )
    return NewEvent(event=event, **more)


def new_events(count: int, **more: Any) -> list[NewEvent]:
    return [new_event(**more) for _ in range(count)]


def prepared(stream: str, *events: NewEvent, expected: ExpectedVersion = ANY) -> PreparedAppend:
    return prepare(StreamAppend(stream, events or [new_event()], expected))
