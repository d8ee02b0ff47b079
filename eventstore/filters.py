"""Filters: conditions on stored events. Pure."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from eventstore.events import Origin, StoredEvent


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions that must all hold; None means no condition.

    ``type_prefix`` is plain text (``io.example.``), not a pattern. ``category`` is the part of the
    stream's name before its first ``-``. ``since`` (included) and ``until`` (excluded) are about
    `StoredEvent.recorded_at`, the database's clock. Types are those that were stored, before
    any upcaster.
    """

    type: str | None = None
    type_prefix: str | None = None
    stream: str | None = None
    category: str | None = None
    source: str | None = None
    subject: str | None = None
    topic: str | None = None
    correlation_id: str | None = None
    correlation_uid: UUID | None = None
    causation_id: str | None = None
    causation_uid: UUID | None = None
    tenant: str | None = None
    origin: Origin | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for moment in (self.since, self.until):
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"times need a time zone: {moment.isoformat()}")

    @property
    def is_empty(self) -> bool:
        """Whether every event passes."""
        return all(value is None for value in msgspec.structs.astuple(self))

    def arguments(self, firsts: Sequence[UUID] | None = None) -> tuple[object, ...]:
        """Return the conditions in the order in which ``event_matches`` takes them.

        Args:
            firsts: The uids that the event with the id ``correlation_id`` may have, if they are
                known: it is then found by an index.
        """
        emitted = None if self.origin is None else self.origin == Origin.EMITTED
        texts, times = msgspec.structs.astuple(self)[:12], (self.since, self.until)
        return (*texts, emitted, *times, firsts)

    def matches(self, stored: StoredEvent) -> bool:
        """Return whether an event passes; the same rule as ``event_matches`` in the database."""
        event = stored.event
        wanted_and_found = (
            (self.type, event.type),
            (self.stream, stored.stream),
            (self.category, category_of(stored.stream)),
            (self.source, event.source),
            (self.subject, event.subject),
            (self.topic, stored.topic),
            (self.correlation_id, stored.correlation_id),
            (self.correlation_uid, stored.correlation_uid),
            (self.causation_id, stored.causation_id),
            (self.causation_uid, stored.causation_uid),
            (self.tenant, stored.tenant),
            (self.origin, stored.origin),
        )
        return (
            all(wanted is None or wanted == found for wanted, found in wanted_and_found)
            and event.type.startswith(self.type_prefix or "")
            and (self.since is None or stored.recorded_at >= self.since)
            and (self.until is None or stored.recorded_at < self.until)
        )


def category_of(stream: str) -> str:
    """Return the category of a stream: its name up to the first ``-``."""
    return stream.partition("-")[0]
