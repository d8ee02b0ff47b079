"""A selection of stored events: count them, and read them in order."""

from collections.abc import AsyncIterator
from functools import cached_property

import msgspec
from msgspec.structs import replace

from bridge.cel import CelExpression, compile_expression
from bridge.evaluation import Evaluator
from bridge.history.removal.archive import Bodies
from eventstore.events import Event, StoredEvent
from eventstore.filters import Filter
from eventstore.store import EventStore


class Selection(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A selection of stored events; lower bounds are inclusive, upper bounds exclusive.

    ``condition`` is CEL over ``event`` and ``data``, as in routes. An event on which it fails (for
    example because a field is missing) is not selected.

    ``include_archive`` reads the bodies that a prune has removed back from its archive. Without it,
    and if they were not archived or were erased, such an event has no data.

    Raises:
        ExpressionError: The condition does not compile, or is not boolean.
    """

    where: Filter
    from_position: int = 1
    to_position: int | None = None
    condition: str | None = None
    include_archive: bool = False

    def __post_init__(self) -> None:
        if self.condition is not None:
            compile_expression(self.condition, "bool")

    @property
    def after(self) -> int:
        """The position before the first one."""
        return self.from_position - 1

    @property
    def through(self) -> int | None:
        """The last position, None without an upper bound."""
        return None if self.to_position is None else self.to_position - 1

    async def end(self, store: EventStore) -> int:
        """Return the last position to read now: the bound, at most where the log is final."""
        final = await store.settled()
        return final if self.through is None else min(self.through, final)

    async def count(self, store: EventStore, through: int | None = None) -> int:
        """Return how many events are selected, up to a position."""
        if self.condition is None:
            until = self.through if through is None else through
            return await store.count(self.where, after=self.after, through=until)
        return sum([len(chunk) async for chunk in self.chunks(store, through=through)])

    async def read(self, store: EventStore) -> AsyncIterator[StoredEvent]:
        """Yield the events in position order, up to where the log is final at the start."""
        async for chunk in self.chunks(store):
            for stored in chunk:
                yield stored

    async def chunks(
        self, store: EventStore, *, after: int | None = None, through: int | None = None
    ) -> AsyncIterator[list[StoredEvent]]:
        """Yield the events in position order, in chunks, after one position through another."""
        begin = self.after if after is None else max(self.after, after)
        end = await self.end(store) if through is None else through
        condition = self._compiled
        bodies = Bodies(store.database) if self.include_archive else None
        async with Evaluator() as evaluator:
            async for page in store.read_pages(after=begin, through=end, where=self.where):
                chosen = page if bodies is None else await bodies.restored(page)
                if condition is not None:
                    chosen = [
                        stored
                        for stored in chosen
                        if await evaluator.holds(condition, stored.topic or "", stored.event)
                    ]
                if chosen:
                    yield chosen

    @cached_property
    def _compiled(self) -> CelExpression | None:
        return None if self.condition is None else compile_expression(self.condition, "bool")


def copied(event: Event, replay_id: str) -> Event:
    """Return an event with the extension attribute ``replayid``."""
    return replace(event, extensions={**event.extensions, "replayid": replay_id})
