"""Search: find stored events by any of their ids, by attributes, or by a CEL expression.

A search reads backwards from the newest event, in windows of positions, and stops when a page is full, or
after about `_SECONDS`. It returns how far it came, so that a caller can go on from there.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Literal

import msgspec

from bridge.cel import compile_expression
from bridge.evaluation import Evaluator
from bridge.inspect.lookup import find_events
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.filters import Filter
from eventstore.store import EventStore

IdKind = Literal["event", "correlation", "workflow", "subject", "condition"]

_SECONDS = 1.0
_FIRST_WINDOW = 20_000
_MAX_GROWTH = 4
_CONDITION_WINDOW = 2_000
"""Positions that one step reads when each of its events is evaluated."""
_RUN_STREAM = "run-"


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions on events that must all hold.

    ``condition`` is CEL over ``event`` and ``data``, as in routes. An event on which it fails (for
    example because a field is missing) is not found.

    Raises:
        ExpressionError: The condition does not compile, or is not boolean.
    """

    where: Filter = Filter()
    condition: str | None = None

    def __post_init__(self) -> None:
        if self.condition is not None:
            compile_expression(self.condition, "bool")


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one search, newest first."""

    events: list[StoredEvent]
    reached: int
    """All positions from here on are searched; 1 when nothing older is left."""
    is_full: bool
    """Whether the page is full; otherwise the time was over, or nothing is left."""

    @property
    def has_more(self) -> bool:
        """Whether older events may exist."""
        return self.reached > 1


class Search:
    """Searches the event store.

    Args:
        database: Dispatches and events.
        store: The event store in it.
        evaluator: Evaluates CEL conditions.
        seconds: How long one search may take, about.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        evaluator: Evaluator,
        *,
        seconds: float = _SECONDS,
    ) -> None:
        self._database = database
        self._store = store
        self._evaluator = evaluator
        self._seconds = seconds

    async def by_id(self, wanted: str, limit: int) -> list[tuple[IdKind, StoredEvent]]:
        """Return the events that an id leads to, each event once.

        The id is one of an event (its id or uid), of a correlation, or of a workflow: then the events that
        were dispatched to it, and those that its runs emitted.

        Raises:
            TooManySources: There are too many sources to try each of them.
            Unavailable: The database cannot be reached.
        """
        found: dict[int, tuple[IdKind, StoredEvent]] = {}
        for stored in await find_events(self._store, wanted, None):
            found.setdefault(stored.position, ("event", stored))
        for stored in await self._newest(Filter(correlation_id=wanted), limit):
            found.setdefault(stored.position, ("correlation", stored))
        rows = await self._database.fetch(STATEMENTS["events_of_target"], wanted, limit)
        dispatched = await self._store.get_many([row["uid"] for row in rows])
        emitted = await self._newest(Filter(stream=_RUN_STREAM + wanted), limit)
        for stored in (*dispatched.values(), *emitted):
            found.setdefault(stored.position, ("workflow", stored))
        return sorted(found.values(), key=lambda each: (each[0] != "event", -each[1].position))

    async def by_subject(self, subject: str, source: str | None, limit: int) -> EventPage:
        """Return the newest events whose ``subject`` attribute is this.

        Searches as `page` does: the store has no index of subjects unless an operator adds one.
        """
        query = EventQuery(where=Filter(subject=subject, source=source))
        return await self.page(query, limit)

    async def page(
        self, query: EventQuery, limit: int, *, before: int | None = None
    ) -> EventPage:
        """Return the newest events of a query, below a position if one is given.

        Raises:
            Unavailable: The database cannot be reached.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + self._seconds
        end = await self._store.head() if before is None else before - 1
        window = _FIRST_WINDOW if query.condition is None else _CONDITION_WINDOW
        events: list[StoredEvent] = []
        while end > 0:
            start = max(0, end - window)
            begun = clock()
            found, reached = await self._matching(query, start, end, limit - len(events), until)
            events += found
            if len(events) >= limit:
                return EventPage(events=events, reached=events[-1].position, is_full=True)
            end = reached
            took, left = clock() - begun, until - clock()
            if left <= 0:
                break
            # Larger steps while they are fast, so that an index needs few of them.
            window = min(
                window * _MAX_GROWTH, max(_CONDITION_WINDOW, int(window * left / (took + 1e-3)))
            )
        return EventPage(events=events, reached=end + 1, is_full=False)

    async def _matching(
        self, query: EventQuery, after: int, through: int, limit: int, until: float
    ) -> tuple[list[StoredEvent], int]:
        """Return the events of a window, newest first, and the position down to which it is searched.

        That is ``after``, unless evaluating a condition takes until after the time ``until``.
        """
        if query.condition is None:
            events = self._store.read_all(
                after=after,
                through=through,
                where=query.where,
                direction="backward",
                limit=limit,
            )
            return [each async for each in events], after
        condition = compile_expression(query.condition, "bool")
        clock = asyncio.get_running_loop().time
        found: list[StoredEvent] = []
        async with aclosing(
            self._store.read_all(
                after=after, through=through, where=query.where, direction="backward"
            )
        ) as events:
            async for stored in events:
                if await self._evaluator.holds(condition, stored.topic or "", stored.event):
                    found.append(stored)
                if len(found) >= limit or clock() > until:
                    return found, stored.position - 1
        return found, after

    async def _newest(self, where: Filter, limit: int) -> Sequence[StoredEvent]:
        return [
            each
            async for each in self._store.read_all(
                where=where, direction="backward", limit=limit
            )
        ]
