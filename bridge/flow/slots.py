"""A plain model of slots: the rules of `admit_to_slots` and `free_slots` (0010_slots.sql), in memory. Pure.

The tables are tested against it, and a comparison of routes simulates with it.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.flow.plan import SlotPlan


class Ticket(NamedTuple):
    """A dispatch that asks for a slot."""

    position: int
    """Of its event."""
    number: int
    """Of the dispatch; the order of the queue is by position, then by number."""
    key: Hashable
    """The namespace, the route and the key of the slot."""
    slot: SlotPlan


@dataclass(frozen=True, slots=True)
class Changes:
    """What a step decided, by the numbers of dispatches."""

    granted: tuple[int, ...] = ()
    """Those that now hold a slot."""
    skipped: tuple[int, ...] = ()
    """Those for which there was none."""
    replaced: tuple[int, ...] = ()
    """Those that a newer one took out of the queue."""
    cancelled: tuple[int, ...] = ()
    """Those whose run is to be cancelled."""


@dataclass
class _Key:
    holders: dict[int, bool] = field(default_factory=dict)
    """By number: whether its run is to be cancelled."""
    queue: list[Ticket] = field(default_factory=list)


class Slots:
    """The slots of all keys."""

    def __init__(self) -> None:
        self._keys: dict[Hashable, _Key] = {}
        self._held: dict[int, Hashable] = {}

    def ask(self, ticket: Ticket) -> Changes:
        """Decide about one dispatch: a slot, the queue, or neither."""
        key = self._keys.setdefault(ticket.key, _Key())
        key.queue.append(ticket)
        key.queue.sort(key=lambda each: (each.position, each.number))
        granted = self._grant(ticket.key, key)
        if ticket.number in granted or ticket.slot.when_full == "queue":
            return Changes(granted)
        if ticket.slot.when_full == "skip":
            key.queue.remove(ticket)
            return Changes(granted, skipped=(ticket.number,))
        newest = key.queue[-1]
        replaced = tuple(each.number for each in key.queue[:-1])
        key.queue = [newest]
        cancelled: tuple[int, ...] = ()
        if newest.slot.when_full == "cancel_running":
            wanted = len(key.holders) + 1 - newest.slot.limit
            asked = sum(key.holders.values())
            others = sorted(number for number, is_asked in key.holders.items() if not is_asked)
            cancelled = tuple(others[: max(0, wanted - asked)])
            key.holders |= dict.fromkeys(cancelled, True)
        return Changes(granted, replaced=replaced, cancelled=cancelled)

    def free(self, number: int) -> Changes:
        """Free the slot of a dispatch, if it holds one, and grant it to the first of the queue."""
        name = self._held.pop(number, None)
        if name is None:
            return Changes()
        key = self._keys[name]
        del key.holders[number]
        granted = self._grant(name, key)
        if not key.holders and not key.queue:
            del self._keys[name]
        return Changes(granted)

    def holders(self, key: Hashable) -> list[int]:
        """Return who holds the slots of a key, the oldest first."""
        return sorted(self._keys[key].holders) if key in self._keys else []

    def queue(self, key: Hashable) -> list[int]:
        """Return who waits for a slot of a key, in order."""
        return [each.number for each in self._keys[key].queue] if key in self._keys else []

    def _grant(self, name: Hashable, key: _Key) -> tuple[int, ...]:
        granted = []
        # The limit of the newest plan: routes may have changed since the others were planned.
        limit = key.queue[-1].slot.limit if key.queue else 0
        while key.queue and len(key.holders) < limit:
            number = key.queue.pop(0).number
            key.holders[number] = False
            self._held[number] = name
            granted.append(number)
        return tuple(granted)
