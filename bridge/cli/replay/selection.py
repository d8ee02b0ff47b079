"""Flags that select stored events."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.common import point_in_time
from bridge.cli.exits import Exit

if TYPE_CHECKING:
    from bridge.history.replay.selection import Selection


@Parameter(name="*", group="Selection")
@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Conditions that must all hold; lower bounds are inclusive, upper bounds exclusive."""

    type: str | None = None
    "Only events of this CloudEvents type."
    type_prefix: str | None = None
    "Only events whose type starts with this."
    source: str | None = None
    "Only events of this CloudEvents source."
    subject: str | None = None
    "Only events with this CloudEvents subject."
    topic: str | None = None
    "Only events of this NATS subject."
    stream: str | None = None
    "Only events of this stream of the store."
    category: str | None = None
    "Only events of streams of this category: the name up to the first hyphen."
    correlation: str | None = None
    "Only events with this correlation id."
    where: str | None = None
    "Only events for which this CEL expression over event and data is true, as in routes."
    since: str | None = None
    "Recorded since: 10m, 1h30m (ago) or an ISO 8601 time."
    until: str | None = None
    "Recorded before."
    from_position: int = 1
    "First position."
    to_position: int | None = None
    "Position to stop before (exclusive)."

    def selection(self) -> "Selection":
        """Return the selection of these flags.

        Raises:
            Exit: A time or the CEL expression is wrong.
        """
        from bridge.errors import ExpressionError
        from bridge.history.replay.selection import Selection
        from eventstore.filters import Filter

        where = Filter(
            type=self.type,
            type_prefix=self.type_prefix,
            source=self.source,
            subject=self.subject,
            topic=self.topic,
            stream=self.stream,
            category=self.category,
            correlation_id=self.correlation,
            since=point_in_time(self.since),
            until=point_in_time(self.until),
        )
        try:
            return Selection(
                where=where,
                from_position=self.from_position,
                to_position=self.to_position,
                condition=self.where,
            )
        except ExpressionError as error:
            raise Exit(exits.USAGE, f"--where: {error}") from error


EVERYTHING = EventFilter()
