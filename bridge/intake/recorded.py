"""What a recording returns, and received events on their way into the store and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.dispatch.handover import Fresh
from bridge.intake.decision import Accepted
from bridge.intake.rows import DeliveryVerdict
from eventstore.appending import Appended
from eventstore.events import NewEvent, Origin, StoredEvent, microseconds, schema_version_of


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result of recording a batch."""

    verdicts: Sequence[DeliveryVerdict]
    """One for each delivery of the batch."""
    planned: int
    """How many dispatches were planned."""
    letters: int = 0
    """How many dead letters were written."""
    fresh: Sequence[Fresh] = ()
    """If asked for: those of the planned dispatches whose keys had nothing open or waiting."""


def received_event(judged: Accepted) -> NewEvent:
    """Return a received event as the store takes it."""
    event = judged.event
    correlation = event.extensions.get("correlationid")
    return NewEvent(
        event=event,
        origin=Origin.RECEIVED,
        topic=judged.delivery.topic,
        correlation_id=event.id if correlation is None else str(correlation),
        correlation_uid=event.uid,
        digest=judged.digest,
    )


def as_stored(new: NewEvent, appended: Appended, recorded_at: datetime) -> StoredEvent:
    """Return a received event as the store returns it, without reading it.

    ``recorded_at`` is a time of the same commit, by the database's clock.
    """
    event = new.event
    causation = event.extensions.get("causationid")
    return StoredEvent(
        event=event,
        uid=event.uid,
        stream=appended.stream,
        version=appended.first_version,
        position=appended.positions[0],
        recorded_us=microseconds(recorded_at),
        origin=new.origin,
        topic=new.topic,
        correlation_id=new.correlation_id or event.id,
        correlation_uid=new.correlation_uid or event.uid,
        causation_id=causation if isinstance(causation, str) else None,
        causation_uid=new.causation_uid,
        tenant=new.tenant,
        schema_version=schema_version_of(event.type),
    )
