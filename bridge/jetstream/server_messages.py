"""Messages that NATS itself puts on a stream, or means for itself: no events, or events of its making. Pure.

*Definitions of schedules* (ADR-51 of nats-architecture-and-design): a message with a
``Nats-Schedule`` header lies in the stream and tells the server what to publish, where and when.
It is no event. Each firing is one: the server publishes the definition's body and headers, with
``Nats-Scheduler`` (the definition's subject) and ``Nats-Schedule-Next``. A definition has one
CloudEvents ``id``, so all firings of a recurring schedule would be one event; therefore the time
of the next firing, which is another one each time, becomes a part of the id. It is in the stored
message, so that a repeat, a copy of the stream or a restored stream gives the same id. A schedule
that fires once (``Nats-Schedule-Next: purge``) keeps the id that the publisher gave.

*Delete markers*: messages without a body that say that others are gone: ``Nats-Marker-Reason``
(per-message TTL, purges), ``KV-Operation`` (a key of a key-value bucket was deleted or purged).
"""

from collections.abc import Mapping

from msgspec import structs

from bridge.cloudevents.codec import decode
from eventstore.events import Event

_DEFINITION = "Nats-Schedule"
_SCHEDULER = "Nats-Scheduler"
_NEXT = "Nats-Schedule-Next"
_ONCE = "purge"
_MARKER = "Nats-Marker-Reason"
_KV_OPERATION = "KV-Operation"
_KV_DELETIONS = frozenset({"DEL", "PURGE"})


def is_definition(headers: Mapping[str, str]) -> bool:
    """Tell whether a message defines a schedule."""
    return _DEFINITION in headers


def is_delete_marker(headers: Mapping[str, str], payload: bytes) -> bool:
    """Tell whether a message, which is no event, only says that others were deleted."""
    if payload:
        return False
    return _MARKER in headers or headers.get(_KV_OPERATION) in _KV_DELETIONS


def as_fired(event: Event, headers: Mapping[str, str]) -> Event:
    """Return an event with an id of its own if a recurring schedule published it."""
    following = headers.get(_NEXT, _ONCE)
    if _SCHEDULER not in headers or following == _ONCE:
        return event
    return structs.replace(event, id=f"{event.id}@{following}")


def event_of(headers: Mapping[str, str], payload: bytes) -> Event:
    """Return the event that a message of a source is.

    Raises:
        DecodeError: It is none.
    """
    return as_fired(decode(headers, payload), headers)
