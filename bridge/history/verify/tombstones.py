"""Verify copies of events whose bodies were removed: the digest that stays tells whether one is right.

A copy of a *pruned* event may stay on NATS, and must have the digest of the event. A copy of an
*erased* event must be gone, and only that of an erased one may be. A copy of an event whose row was
deleted cannot be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nats.aio.msg import Msg

from bridge.cloudevents.codec import decode
from bridge.errors import DecodeError
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.removals import Removals


@dataclass(frozen=True, slots=True)
class Copy:
    """A message with the copy of an event whose body was removed."""

    sequence: int
    message: Msg
    event: StoredEvent


class Tombstones:
    """Judges copies, in batches. Call `load` first.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._removals = Removals(database)
        self._erased: frozenset[int] = frozenset()

    async def load(self) -> None:
        """Read which removals are erasures."""
        self._erased = await self._removals.erasures()

    def is_erased(self, event: StoredEvent) -> bool:
        """Return whether an event was erased."""
        return event.removal in self._erased

    async def foreign(
        self, copies: Sequence[tuple[int, Msg, int]]
    ) -> list[tuple[int, Msg, int]]:
        """Return those copies, each with its sequence and position, of which no event ever had a row."""
        deleted = await self._removals.deleted_among([position for *_, position in copies])
        return [copy for copy in copies if copy[-1] not in deleted]

    async def wrong(self, copies: Sequence[Copy]) -> list[tuple[Copy, str]]:
        """Return the copies that must not be as they are, and why."""
        digests = await self._removals.digests([copy.event.position for copy in copies])
        found = []
        for copy in copies:
            try:
                event = decode(copy.message.headers, copy.message.data)
            except DecodeError as error:
                found.append((copy, f"it is not an event: {error}"))
                continue
            if event.digest != digests.get(copy.event.position):
                found.append((copy, "it differs from the event that was stored, by its digest"))
        return found
