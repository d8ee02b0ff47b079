"""Flags that select stored events."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.common import point_in_time
from bridge.cli.exits import Exit

if TYPE_CHECKING:
    from bridge.history.replay.selection import Selection
    from eventstore.store import EventStore


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
    include_archive: Annotated[bool, Parameter(negative="")] = False
    "Read data that 'ntbridge store prune' has removed back from its archive."

    def check(self) -> None:
        """Check what can be checked without a server.

        Raises:
            Exit: A time or the CEL expression is wrong.
        """
        from bridge.cel import compile_expression
        from bridge.errors import ExpressionError

        point_in_time(self.since)
        point_in_time(self.until)
        if self.where is not None:
            try:
                compile_expression(self.where, "bool")
            except ExpressionError as error:
                raise Exit(exits.USAGE, f"--where: {error}") from error

    async def selection(self, store: "EventStore") -> "Selection":
        """Return the selection of these flags, which were checked."""
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
            since=await store.time_of(point_in_time(self.since)),
            until=await store.time_of(point_in_time(self.until)),
        )
        return Selection(
            where=where,
            from_position=self.from_position,
            to_position=self.to_position,
            condition=self.where,
            include_archive=self.include_archive,
        )


EVERYTHING = EventFilter()
