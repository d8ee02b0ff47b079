"""`Fetcher`: fetches the events of dispatches in bulk, shortly before their calls.

A lane that advances needs its next event at once. Fetching each event alone would cost a round trip per
call, half as much as settling.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from bridge.dispatch.ledger import Ledger
from bridge.operations.base import Dispatch
from eventstore.events import StoredEvent

AT_ONCE = 32
"""Number of events in one fetch; their sizes are known only afterwards."""
_MAX_KEPT = 2000
_MAX_EXPECTED = 4000
_MAX_BYTES = 8 * 2**20
"""Maximum bytes of prefetched data; events beyond it are fetched again when needed."""


class Fetcher:
    """Returns the events of dispatches. For one dispatcher.

    Args:
        ledger: Reads the events.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._expected: dict[UUID, None] = {}
        self._kept: dict[UUID, StoredEvent] = {}
        self._bytes = 0

    def expect(self, dispatches: Iterable[Dispatch]) -> None:
        """Remember dispatches whose events are needed soon, in this order."""
        self._expected.update((dispatch.uid, None) for dispatch in dispatches)
        while len(self._expected) > _MAX_EXPECTED:
            del self._expected[next(iter(self._expected))]

    def keep(self, dispatch: Dispatch, event: StoredEvent) -> None:
        """Keep the event of a dispatch that came with it; expect it if there is no room."""
        if len(self._kept) < _MAX_KEPT and self._bytes + size_of(event) <= _MAX_BYTES:
            if dispatch.uid not in self._kept:
                self._kept[dispatch.uid] = event
                self._bytes += size_of(event)
        else:
            self.expect([dispatch])

    async def events(self, heads: Collection[Dispatch]) -> list[StoredEvent]:
        """Return the event of each dispatch; a fetch also gets the expected events.

        Raises:
            Unavailable: The database is unavailable.
        """
        wanted = {head.uid for head in heads}
        missing = wanted - self._kept.keys()
        ahead: list[UUID] = []
        if missing:
            ahead = self._ahead(missing)
            fetched = await self._ledger.events({*missing, *ahead})
            self._kept.update(fetched)
            self._bytes += sum(size_of(event) for event in fetched.values())
        found = [self._kept[head.uid] for head in heads]
        for uid in wanted:
            self._forget(uid)
        self._make_room(ahead)
        return found

    def _ahead(self, missing: Collection[UUID]) -> list[UUID]:
        """Return the expected events to fetch together with the missing ones."""
        for uid in missing:
            self._expected.pop(uid, None)
        ahead: list[UUID] = []
        while self._expected and len(missing) + len(ahead) < AT_ONCE:
            uid = next(iter(self._expected))
            del self._expected[uid]
            if uid not in self._kept:
                ahead.append(uid)
        return ahead

    def _make_room(self, ahead: Collection[UUID]) -> None:
        """Enforce the limits: drop events of earlier fetches first, then those needed last."""
        if len(self._kept) <= _MAX_KEPT and self._bytes <= _MAX_BYTES:
            return
        earlier = self._kept.keys() - set(ahead)
        for uid in [*(uid for uid in self._kept if uid in earlier), *reversed(list(ahead))]:
            self._forget(uid)
            if len(self._kept) <= _MAX_KEPT and self._bytes <= _MAX_BYTES:
                return

    def _forget(self, uid: UUID) -> None:
        self._bytes -= size_of(self._kept.pop(uid))


def size_of(event: StoredEvent) -> int:
    """Return the size of an event's data in bytes."""
    return len(event.event.data or b"")
