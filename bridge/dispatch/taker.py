"""`Taker`: the part of dispatch that fills lanes and passes their heads on, with their events.

Dispatches come into lanes from the table, in pages, and from intake's memory (`bridge.dispatch.handover`).
A lane advances when its head is settled. A lane whose head is deferred leaves memory as a whole.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from weakref import WeakSet

from msgspec.structs import replace

from bridge.dispatch.handover import Fresh, Handed, Window, by_key
from bridge.dispatch.lanes import Lanes
from bridge.dispatch.ledger import Crowded, Ledger
from bridge.dispatch.partitions import partition_of
from bridge.dispatch.prefetch import AT_ONCE, Fetcher
from bridge.dispatch.queue import Queue, Ready, Settled
from bridge.lifecycle.crash_points import fault
from bridge.lifecycle.services import rest
from bridge.operations.base import Dispatch
from bridge.pauses import HeldNow
from eventstore.errors import Unavailable
from eventstore.events import StoredEvent
from eventstore.leases import Lease

POLL_SECONDS: Final = 1.0
"""How often to read the table without a notification."""
MAX_IN_HAND_BYTES: Final = 64 * 2**20
"""Maximum size of calls in lanes; one page may exceed it."""
_MAX_READY_BYTES: Final = 64 * 2**20
"""Maximum size of prepared events; one fetch may exceed it."""
MAX_IN_HAND: Final = 2000
"""Maximum number of dispatches in lanes; one page may exceed it."""
PAGE: Final = 200
"""Number of dispatches that are read from the table at a time."""
_LONG_LANE: Final = 100
"""No more dispatches of a key are taken above this, so that one key cannot use all the room."""
_MANY_OUT: Final = 200
"""The same limit for dispatches that one route's limits hold back, besides those that are ready."""


class Taker:
    """Takes due dispatches, and passes on the heads of lanes. For one dispatcher.

    Args:
        ledger: The table of dispatches.
        partitions: Returns the partitions to take from now, with their leases.
        paused: The routes that are paused; nothing is taken of them.
        is_limited: Returns whether limits other than the pace may hold back a dispatch.
        ready: Where heads go.
        settled: What changed in the table.
        wake: Set when there is something to do.
    """

    def __init__(
        self,
        ledger: Ledger,
        partitions: Callable[[], Mapping[int, Lease]],
        paused: HeldNow,
        is_limited: Callable[[Dispatch], bool],
        ready: Queue[Ready],
        settled: Queue[Settled],
        wake: asyncio.Event,
    ) -> None:
        self._ledger = ledger
        self._partitions = partitions
        self._paused = paused
        self._is_limited = is_limited
        self._ready = ready
        self._settled = settled
        self._wake = wake
        self._lanes = Lanes()
        self._fetcher = Fetcher(ledger)
        self._handed: Queue[Handed] = Queue(wake)
        self._lost: set[int] = set()
        self._leases: dict[int, Lease] = {}
        """The leases under which the contents of the lanes were taken."""
        self._windows: WeakSet[Window] = WeakSet()
        """Of recordings in progress; a window ends with its recording."""
        self._out: dict[int, Dispatch] = {}
        """The heads that were passed on and may be held back, by id."""
        self._left_out = Crowded((), ())
        self._more = True
        """Whether the table may have due dispatches that were not read."""
        self._is_behind = True
        """Whether dispatches may wait in the table for room: the last read did not get them all, or there was no
        room since."""
        self._taken_at = 0.0

    def look_again(self) -> None:
        """Read the table again: it may have new dispatches, or some became due."""
        self._more = True
        self._wake.set()

    def window(self) -> Window:
        """Return a window for a recording that is about to begin."""
        window = Window(self._partitions(), room=self._has_room())
        self._windows.add(window)
        return window

    def hand_over(self, window: Window, fresh: Sequence[Fresh]) -> None:
        """Put what was recorded into lanes, or read it from the table where that is not safe."""
        self._handed.put(Handed(window, fresh))

    def lose(self, partitions: set[int]) -> None:
        """Drop the lanes of partitions that another daemon may own now."""
        self._lost |= partitions
        self._wake.set()

    def in_hand(self, partition: int) -> int:
        """Return how many dispatches of a partition are in memory."""
        return self._lanes.count(partition)

    async def wait(self) -> None:
        """Wait until there is something to do, or it is time to look."""
        await rest(self._wake, POLL_SECONDS)

    async def step(self) -> bool:
        """Do what there is to do; return whether there may be more to do at once.

        Raises:
            Unavailable: The database is unavailable; call again.
        """
        self._wake.clear()
        self._advance()
        # Before the read: what was handed over must not wait for it.
        passed = await self._pass_on()
        return await self._take() > 0 or passed > 0

    def _advance(self) -> None:
        """Bring the lanes up to date with what happened elsewhere."""
        if self._lost:
            for number in self._lost:
                self._lanes.drop_partition(number)
            self._lost.clear()
            self._out = {each.id: each for each in self._out.values() if each in self._lanes}
        for settled in self._settled.read_all():
            for dispatch in settled.ended:
                self._out.pop(dispatch.id, None)
                self._lanes.settle(dispatch)
            for dispatch, again_in in settled.deferred:
                # The whole lane stays in the table until its head is due.
                self._out.pop(dispatch.id, None)
                self._lanes.drop(dispatch.key)
                self._look_in(again_in)
            if settled.woken:
                self._more = True
        for handed in self._handed.read_all():
            self._accept(handed)

    def _look_in(self, seconds: float) -> None:
        if seconds <= 0:
            self._more = True
        elif seconds < POLL_SECONDS:
            asyncio.get_running_loop().call_later(seconds, self.look_again)

    # From memory

    def _accept(self, handed: Handed) -> None:
        leases, held = self._partitions(), self._paused.held
        crowded = self._crowded_routes()
        for key, fresh in by_key(handed.fresh).items():
            paused = held is None or any(each.dispatch.route in held.routes for each in fresh)
            if (
                not paused
                and handed.window.allows(key, leases)
                and not self._lanes.length(key)
                and self._has_room_for(fresh, crowded)
            ):
                for each in fresh:
                    self._fetcher.keep(each.dispatch, each.event)
                    self._add(each.dispatch, leases)
                    fault("dispatch.handed")
            else:
                self._more = True

    def _has_room_for(self, fresh: Sequence[Fresh], crowded: Sequence[str]) -> bool:
        return (
            self._has_room()
            and len(fresh) <= _LONG_LANE
            and not any(each.dispatch.route in crowded for each in fresh)
        )

    def _has_room(self) -> bool:
        # What is not handed over now waits in the table, and comes first until the table is read again.
        self._is_behind = self._is_behind or self._is_full()
        return not self._is_behind

    # From the table

    async def _take(self) -> int:
        """Put a page of due dispatches into lanes, if there may be any and there is room."""
        # Also under load: dispatches become due as time passes.
        due = asyncio.get_running_loop().time() - self._taken_at >= POLL_SECONDS
        self._more = self._more or due or self._has_room_again()
        leases = self._partitions()
        if (
            not self._more
            or not leases
            or not self._ready.room
            or self._is_full()
            or self._paused.held is None  # what is paused is not known yet
        ):
            return 0
        self._more = False
        self._left_out = self._crowded()
        try:
            taken = await self._ledger.take(
                list(leases), self._lanes.ids, self._left_out, PAGE, MAX_IN_HAND_BYTES
            )
        except Unavailable:
            self._more = True
            raise
        return self._fill(taken, leases)

    def _fill(self, taken: list[Dispatch], leases: Mapping[int, Lease]) -> int:
        now = self._partitions()
        kept = [each for each in taken if _is_kept(partition_of(each.key), leases, now)]
        for dispatch in kept:
            self._add(dispatch, leases)
        if kept:
            fault("dispatch.taken")
        self._fetcher.expect(kept)
        whole = sum(len(each.call) for each in taken) < MAX_IN_HAND_BYTES
        self._is_behind = len(taken) == PAGE or not whole
        # Or `look_again` was called during the read, for rows that the read did not see. Or a
        # partition was lost during it: if it is taken again, its dispatches are read again.
        self._more = self._more or self._is_behind or len(kept) < len(taken)
        self._taken_at = asyncio.get_running_loop().time()
        return len(kept)

    def _add(self, dispatch: Dispatch, leases: Mapping[int, Lease]) -> None:
        partition = partition_of(dispatch.key)
        self._leases[partition] = leases[partition]
        self._lanes.add(dispatch)
        for window in self._windows:
            window.touched.add(dispatch.key)

    def _is_full(self) -> bool:
        return len(self._lanes) >= MAX_IN_HAND or self._lanes.bytes >= MAX_IN_HAND_BYTES

    def _crowded(self) -> Crowded:
        """Return the keys and routes of which enough is in memory, and the paused routes."""
        held = self._paused.held
        return Crowded(
            tuple(self._lanes.longer_than(_LONG_LANE)),
            (*self._crowded_routes(), *(() if held is None else held.routes)),
        )

    def _crowded_routes(self) -> list[str]:
        return [name for name, count in self._held_back().items() if count > self._most_out]

    @property
    def _most_out(self) -> int:
        # Those in the queue and in flight are not held back.
        return _MANY_OUT + 2 * self._ready.ahead

    def _held_back(self) -> Counter[str]:
        return Counter(each.route for each in self._out.values())

    def _has_room_again(self) -> bool:
        """Return whether a key or route that was left out is down to half of its limit."""
        keys, routes = self._left_out
        if any(self._lanes.length(key) < _LONG_LANE // 2 for key in keys):
            return True
        held = self._paused.held
        paused = () if held is None else held.routes
        waiting = [name for name in routes if name not in paused]
        if not waiting:
            return False
        counts = self._held_back()
        return any(counts[name] < self._most_out // 2 for name in waiting)

    # To the calls

    async def _pass_on(self) -> int:
        """Pass on the next heads of lanes, with their events; return their number."""
        heads: list[Dispatch] = []
        room = self._ready.room if self._ready.bytes < _MAX_READY_BYTES else 0
        while len(heads) < min(room, AT_ONCE):
            head = self._lanes.next()
            if head is None:
                break
            heads.append(head)
        if not heads:
            return 0
        try:
            events = await self._fetcher.events(heads)
        except Unavailable:
            self._put_back(heads)
            raise
        return await self._ready_each(heads, events)

    async def _ready_each(
        self, heads: Sequence[Dispatch], events: Sequence[StoredEvent]
    ) -> int:
        """Pass heads on while their events have room; return how many were passed on."""
        for index, (head, event) in enumerate(zip(heads, events, strict=True)):
            try:
                whole = await self._with_members(head)
            except Unavailable:
                self._put_back(heads[index:])
                raise
            if self._is_limited(head):
                self._out[head.id] = head
            self._ready.put(Ready(whole, event, self._leases[partition_of(head.key)]))
            if whole.members and self._ready.bytes >= _MAX_READY_BYTES:
                self._put_back(heads[index + 1 :])
                return index + 1
        return len(heads)

    async def _with_members(self, head: Dispatch) -> Dispatch:
        """Return a dispatch with the events of its window, if it calls with them."""
        if head.member_ids is None:
            return head
        return replace(head, members=await self._ledger.members(head.member_ids))

    def _put_back(self, heads: Sequence[Dispatch]) -> None:
        for head in heads:
            self._lanes.put_back(head)


def _is_kept(partition: int, then: Mapping[int, Lease], now: Mapping[int, Lease]) -> bool:
    return now.get(partition) is then[partition]
