"""Stream messages with a meaning to NATS itself: schedules, their firings, delete markers. Pure.

*Schedule definitions* (ADR-51 of nats-architecture-and-design): a message with a
``Nats-Schedule`` header tells the server what to publish, where and when. It is not an event. Each
firing is an event: the server publishes the definition's body and headers, with
``Nats-Scheduler`` (the definition's subject) and ``Nats-Schedule-Next``. A definition has one
CloudEvents ``id``, so all firings of a recurring schedule would be the same event. Therefore the
time of the next firing, which always differs, becomes part of the id. It is in the stored message,
so a repeat, a copy of the stream or a restored stream gives the same id. A schedule that fires once
(``Nats-Schedule-Next: purge``) keeps the publisher's id.

*Delete markers*: messages without a body that report deleted messages: ``Nats-Marker-Reason``
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
    """Return whether a message defines a schedule."""
    return _DEFINITION in headers


def is_delete_marker(headers: Mapping[str, str], payload: bytes) -> bool:
    """Return whether a message is a delete marker."""
    if payload:
        return False
    return _MARKER in headers or headers.get(_KV_OPERATION) in _KV_DELETIONS


def as_fired(event: Event, headers: Mapping[str, str]) -> Event:
    """Return the event; if a recurring schedule published it, with an id for this firing."""
    following = headers.get(_NEXT, _ONCE)
    if _SCHEDULER not in headers or following == _ONCE:
        return event
    return structs.replace(event, id=f"{event.id}@{following}")


def event_of(headers: Mapping[str, str], payload: bytes) -> Event:
    """Decode a message of a source as an event.

    Raises:
        DecodeError: It is not a CloudEvent.
    """
    return as_fired(decode(headers, payload), headers)
