"""Questions: the events that people mean by an id, an order number or a condition.

People have an id and do not know of what. `Questions.find` tries, in this order: an event (id,
uid, or the beginning of a uid), a correlation, a workflow, a CloudEvents subject. Of the events that it
finds, it returns those that none of the others caused, because an explanation of these contains the rest.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

from bridge.inspect.lookup import find_events
from bridge.inspect.search import EventQuery, IdKind, Search
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.removals import Removals
from eventstore.store import EventStore

LIMIT = 50
"""The most events that a question returns."""
_DIGITS = 32
_MIN_PREFIX = 6


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The events that a question may mean, newest first.

    ``kind`` is what the id turned out to be. The store has no index of data and subjects: a search by a
    condition or a subject ends after about a second, and ``reached`` is the position down to which it
    came; 1: all is searched. ``deleted_before`` is set if there are no events: rows of events that were recorded before
    that time were deleted, so the event may be one of those; None: no rows were.
    """

    kind: IdKind | None = None
    events: list[StoredEvent] = []
    reached: int = 1
    deleted_before: datetime | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing older is left to search."""
        return self.reached <= 1


class Questions:
    """Finds the events that people ask about.

    Args:
        database: Dispatches and events.
        store: The event store in it.
        search: The search in the same store.
    """

    def __init__(self, database: Database, store: EventStore, search: Search) -> None:
        self._database = database
        self._store = store
        self._search = search

    async def find(self, wanted: str, source: str | None = None) -> Found:
        """Return the events that an id may mean; ``source``: only an id or subject of this source.

        Raises:
            TooManySources: There are too many sources to try each of them.
            Unavailable: The database cannot be reached.
        """
        if source is not None:
            events = await find_events(self._store, wanted, source)
        else:
            hits = await self._search.by_id(wanted, LIMIT)
            if hits:
                kind = min((kind for kind, _ in hits), key=_ORDER.index)
                causes = _causes(event for each, event in hits if each == kind)
                return Found(kind=kind, events=causes)
            events = await self._by_prefix(wanted)
        if events:
            return Found(kind="event", events=events)
        about = await self._search.by_subject(wanted, source, LIMIT)
        return await self._found("subject", about.events, about.reached)

    async def matching(self, query: EventQuery, before: int | None = None) -> Found:
        """Return the newest events of a query, below a position if one is given."""
        page = await self._search.page(query, LIMIT, before=before)
        return await self._found("condition", page.events, page.reached)

    async def _found(self, kind: IdKind, events: Iterable[StoredEvent], reached: int) -> Found:
        causes = _causes(events)
        if causes:
            return Found(kind=kind, events=causes, reached=reached)
        deleted = await Removals(self._database).deleted_before()
        return Found(reached=reached, deleted_before=deleted)

    async def _by_prefix(self, wanted: str) -> list[StoredEvent]:
        digits = wanted.replace("-", "").lower()
        if not _MIN_PREFIX <= len(digits) <= _DIGITS or not set(digits) <= set(
            "0123456789abcdef"
        ):
            return []
        first, last = (UUID(digits.ljust(_DIGITS, fill)) for fill in "0f")
        rows = await self._database.fetch(
            STATEMENTS["events_of_uid_prefix"], first, last, LIMIT
        )
        found = await self._store.get_many([row["uid"] for row in rows])
        return sorted(found.values(), key=lambda each: -each.position)


_ORDER: tuple[IdKind, ...] = ("event", "correlation", "workflow")


def _causes(events: Iterable[StoredEvent]) -> list[StoredEvent]:
    """Return the events that none of the others caused."""
    events = list(events)
    known = {each.uid for each in events}
    return [each for each in events if each.causation_uid not in known]
