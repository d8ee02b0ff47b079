"""`Taker`: reads due dispatches from the table into lanes, in pages, while there is room."""

import asyncio
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Final

from bridge.dispatch.lanes import Lanes
from bridge.dispatch.ledger import Crowded, Ledger
from bridge.lifecycle.crash_points import fault
from bridge.operations.base import Dispatch
from bridge.pauses import HELD_BY_NOTHING, HeldNow
from eventstore.errors import Unavailable

POLL_SECONDS: Final = 1.0
"""How often to read the table without a notification."""
MAX_IN_HAND_BYTES: Final = 64 * 2**20
"""Maximum size of calls in lanes; one page may exceed it."""
_MAX_IN_HAND: Final = 2000
_PAGE: Final = 200
_LONG_LANE: Final = 100
"""No more dispatches of a key are taken above this, so that one key cannot use all the room."""
_MANY_PARKED: Final = 200
"""The same limit for dispatches that one route's limits hold back."""


class Taker:
    """Takes due dispatches. For one dispatcher.

    Args:
        ledger: The table of dispatches.
        lanes: The lanes to fill.
        partitions: Returns the partitions to take from now.
        parked: Dispatches that their route's limits hold back, by route.
        paused: The routes that are paused; nothing is taken of them.
    """

    def __init__(
        self,
        ledger: Ledger,
        lanes: Lanes,
        partitions: Callable[[], Sequence[int]],
        parked: Mapping[str, Sized],
        paused: HeldNow = HELD_BY_NOTHING,
    ) -> None:
        self._ledger = ledger
        self._lanes = lanes
        self._partitions = partitions
        self._parked = parked
        self._paused = paused
        self._dropped: set[str] = set()
        self._left_out = Crowded((), ())
        self._more = True
        self._taken_at = 0.0

    def look_again(self) -> None:
        """Read the table again: it may have new dispatches, or some became due."""
        self._more = True

    def drop(self, key: str) -> None:
        """Remove a lane from memory; it is read again when its head is due."""
        self._lanes.drop(key)
        self._dropped.add(key)

    async def take(self) -> list[Dispatch]:
        """Put due dispatches into lanes, if there may be any and there is room; return them.

        Raises:
            Unavailable: The database is unavailable.
        """
        # Also under load: dispatches become due as time passes.
        due = asyncio.get_running_loop().time() - self._taken_at >= POLL_SECONDS
        self._more = self._more or due or self._has_room_again()
        if self._paused.held is None:  # what is paused is not known yet
            return []
        while self._more and not self._is_full() and (partitions := self._partitions()):
            taken = await self._read(partitions)
            if set(self._partitions()).issuperset(partitions):
                return self._fill(taken)
            # A partition was lost during the read; another daemon orders its dispatches now.
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
            # A lane that was dropped during the read is read again as a whole, its failed head first.
            if dispatch.key not in self._dropped:
                self._lanes.add(dispatch)
        if taken:
            fault("dispatch.taken")
        whole = sum(len(each.call) for each in taken) < MAX_IN_HAND_BYTES
        # Or `look_again` was called during the read, for rows that the read did not see.
        self._more = self._more or len(taken) == _PAGE or not whole
        self._taken_at = asyncio.get_running_loop().time()
        return taken

    def _is_full(self) -> bool:
        return len(self._lanes) >= _MAX_IN_HAND or self._lanes.bytes >= MAX_IN_HAND_BYTES

    def _crowded(self) -> Crowded:
        """Return the keys and routes of which enough is in memory, and the paused routes."""
        held = self._paused.held
        crowded = [name for name, each in self._parked.items() if len(each) > _MANY_PARKED]
        return Crowded(
            tuple(self._lanes.longer_than(_LONG_LANE)),
            (*crowded, *(() if held is None else held.routes)),
        )

    def _has_room_again(self) -> bool:
        """Return whether a key or route that was left out is down to half of its limit."""
        keys, routes = self._left_out
        held = self._paused.held
        paused = () if held is None else held.routes
        return any(self._lanes.length(key) < _LONG_LANE // 2 for key in keys) or any(
            name not in paused and len(self._parked.get(name, ())) < _MANY_PARKED // 2
            for name in routes
        )
