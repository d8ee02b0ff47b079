"""A stored event, for tests that need one and care about little of it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from eventstore.events import Event, Origin, StoredEvent, microseconds

EVENT = Event(
    id="42",
    source="/shop",
    type="com.example.placed",
    subject="order 7",
    data=b'{"n": 1}',
    extensions={"hops": 2},
)
CORRELATION = UUID(int=7)


def stored(event: Event = EVENT, **changes: Any) -> StoredEvent:
    """Return the event as the store gives it, with some of its columns changed."""
    whole = StoredEvent(
        event=event,
        uid=event.uid,
        stream="example-order 7",
        version=1,
        position=1,
        recorded_us=microseconds(datetime(2024, 5, 1, tzinfo=UTC)),
        origin=Origin.RECEIVED,
        topic="events.example.placed",
        correlation_id="c-1",
        correlation_uid=CORRELATION,
        causation_id=None,
        causation_uid=None,
        tenant=None,
        schema_version=1,
    )
    return msgspec.structs.replace(whole, **changes)
