"""``take``: from the table into lanes, a page at a time, as far as there is room."""

import asyncio
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Final

from bridge.dispatch.lanes import Lanes
from bridge.dispatch.ledger import Crowded, Ledger
from bridge.lifecycle.crash_points import fault
from bridge.operations.base import Dispatch
from eventstore.errors import Unavailable

POLL_SECONDS: Final = 1.0
"""How often the table is looked at, though nobody has said that there is something."""
MAX_IN_HAND_BYTES: Final = 64 * 2**20
"""Of calls in lanes; one page may go beyond."""
_MAX_IN_HAND: Final = 2000
_PAGE: Final = 200
_LONG_LANE: Final = 100
"""From here on no more of a key is taken, lest one key fill all the room there is."""
_MANY_PARKED: Final = 200
"""Likewise for what a route's own limits hold back."""


class Taker:
    """Takes what is due. For one dispatcher.

    Args:
        ledger: The dispatches' table.
        lanes: Are filled.
        partitions: Returns those of which may be taken now.
        parked: By route, what its own limits hold back.
    """

    def __init__(
        self,
        ledger: Ledger,
        lanes: Lanes,
        partitions: Callable[[], Sequence[int]],
        parked: Mapping[str, Sized],
    ) -> None:
        self._ledger = ledger
        self._lanes = lanes
        self._partitions = partitions
        self._parked = parked
        self._dropped: set[str] = set()
        self._left_out = Crowded((), ())
        self._more = True
        self._taken_at = 0.0

    def look_again(self) -> None:
        """Note that there may be something in the table that was not there, or not due."""
        self._more = True

    def drop(self, key: str) -> None:
        """Let go of a lane; it comes back from the table when its head is due."""
        self._lanes.drop(key)
        self._dropped.add(key)

    async def take(self) -> list[Dispatch]:
        """Put what is due into lanes, if there may be any and there is room; return what was taken.

        Raises:
            Unavailable: The database is away.
        """
        # However busy it is: what was not due a moment ago may be due now.
        due = asyncio.get_running_loop().time() - self._taken_at >= POLL_SECONDS
        self._more = self._more or due or self._has_room_again()
        while self._more and not self._is_full() and (partitions := self._partitions()):
            taken = await self._read(partitions)
            if set(self._partitions()).issuperset(partitions):
                return self._fill(taken)
            # A partition was lost meanwhile; what was taken of it is no longer ours to order.
            self._more = True
        return []

    async def _read(self, partitions: Sequence[int]) -> list[Dispatch]:
        self._more = False
        self._dropped.clear()
        self._left_out = self._crowded()
        try:
            return await self._ledger.take(
                partitions, self._lanes.ids, self._left_out, _PAGE, MAX_IN_HAND_BYTES
            )
        except Unavailable:
            self._more = True
            raise

    def _fill(self, taken: list[Dispatch]) -> list[Dispatch]:
        for dispatch in taken:
            # A lane that was dropped meanwhile comes back as a whole, its failed head first.
            if dispatch.key not in self._dropped:
                self._lanes.add(dispatch)
        if taken:
            fault("dispatch.taken")
        whole = sum(len(each.call) for each in taken) < MAX_IN_HAND_BYTES
        # Or somebody has said so meanwhile, of what was not there when the table was read.
        self._more = self._more or len(taken) == _PAGE or not whole
        self._taken_at = asyncio.get_running_loop().time()
        return taken

    def _is_full(self) -> bool:
        return len(self._lanes) >= _MAX_IN_HAND or self._lanes.bytes >= MAX_IN_HAND_BYTES

    def _crowded(self) -> Crowded:
        """Tell of what enough is in hand, so that it cannot keep the rest out."""
        return Crowded(
            tuple(self._lanes.longer_than(_LONG_LANE)),
            tuple(name for name, each in self._parked.items() if len(each) > _MANY_PARKED),
        )

    def _has_room_again(self) -> bool:
        """Tell whether something that was left out has been worked off for the most part."""
        keys, routes = self._left_out
        return any(self._lanes.length(key) < _LONG_LANE // 2 for key in keys) or any(
            len(self._parked.get(name, ())) < _MANY_PARKED // 2 for name in routes
        )
