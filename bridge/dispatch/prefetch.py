"""Events of dispatches in hand, fetched in bulk a little ahead of their calls.

A lane that moves on needs its next event at once. Asking for each one by itself would cost a round
trip a call, as much as half of what settling costs.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

from bridge.dispatch.ledger import Ledger
from bridge.operations.base import Dispatch
from eventstore.events import StoredEvent

AT_ONCE = 32
"""How many events are fetched together: they are looked at for their size only afterwards."""
_MOST_KEPT = 8 * AT_ONCE
_MOST_EXPECTED = 4000
_MOST_BYTES = 8 * 2**20
"""Of data that is kept ahead; what goes beyond is fetched again when its turn comes."""


class Fetcher:
    """Hands out the events of dispatches. For one dispatcher.

    Args:
        ledger: Where they come from.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._expected: dict[UUID, None] = {}
        self._kept: dict[UUID, StoredEvent] = {}
        self._bytes = 0

    def expect(self, dispatches: Iterable[Dispatch]) -> None:
        """Note what was taken: its events are wanted soon, in this order."""
        self._expected.update((dispatch.uid, None) for dispatch in dispatches)
        while len(self._expected) > _MOST_EXPECTED:
            del self._expected[next(iter(self._expected))]

    async def events(self, heads: Collection[Dispatch]) -> list[StoredEvent]:
        """Return the event of each dispatch. What is expected comes along when one has to be fetched.

        Raises:
            Unavailable: The database is away.
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
        """Choose what to fetch together with what is missing."""
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
        """Keep within bounds: what is left of earlier fetches goes first, then what is wanted last."""
        if len(self._kept) <= _MOST_KEPT and self._bytes <= _MOST_BYTES:
            return
        earlier = self._kept.keys() - set(ahead)
        for uid in [*(uid for uid in self._kept if uid in earlier), *reversed(list(ahead))]:
            self._forget(uid)
            if len(self._kept) <= _MOST_KEPT and self._bytes <= _MOST_BYTES:
                return

    def _forget(self, uid: UUID) -> None:
        self._bytes -= size_of(self._kept.pop(uid))


def size_of(event: StoredEvent) -> int:
    """How many bytes of data it has."""
    return len(event.event.data or b"")
