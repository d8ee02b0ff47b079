"""`Lanes`: dispatches of one key, one after another, in position order. Pure.

::

    lane "order-7"   [3] [9] [12]      the head is called; the next one when it is settled
    lane "order-8"   [4]
    lane "order-9"   [5]   ✗           a head that failed: the whole lane leaves memory and is
                                       read from the table again when the head is due

Only the head of a lane is returned for a call, and the lane advances when the head is settled, not
when it is called: the order holds after a crash between the two.
"""

from collections import deque
from heapq import heappop, heappush

from bridge.dispatch.partitions import partition_of
from bridge.operations.base import Dispatch


class Lanes:
    """Dispatches that were taken from the table and are not settled yet."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Dispatch]] = {}
        self._heads: list[tuple[int, int, str]] = []
        self._on_heap: set[int] = set()
        self._ids: dict[int, int] = {}
        self._bytes = 0

    @property
    def ids(self) -> list[int]:
        """Ids of all dispatches in lanes."""
        return list(self._ids)

    @property
    def bytes(self) -> int:
        """Total size of the calls in lanes."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, dispatch: Dispatch) -> bool:
        return dispatch.id in self._ids

    def count(self, partition: int) -> int:
        """Return how many dispatches of a partition are in lanes."""
        return sum(1 for each in self._ids.values() if each == partition)

    def length(self, key: str) -> int:
        """Return how many dispatches of a key are in its lane."""
        return len(self._lanes.get(key, ()))

    def longer_than(self, length: int) -> list[str]:
        """Return the keys whose lanes are longer than ``length``."""
        return [key for key, lane in self._lanes.items() if len(lane) > length]

    def add(self, dispatch: Dispatch) -> None:
        """Append a dispatch to the lane of its key; call in position order."""
        lane = self._lanes.setdefault(dispatch.key, deque())
        lane.append(dispatch)
        self._ids[dispatch.id] = partition_of(dispatch.key)
        self._bytes += len(dispatch.call)
        if len(lane) == 1:
            self._push_head(dispatch)

    def next(self) -> Dispatch | None:
        """Return the earliest head that was not returned yet, None if there is none."""
        while self._heads:
            _, identity, key = heappop(self._heads)
            self._on_heap.discard(identity)
            lane = self._lanes.get(key)
            # The head of a dropped lane is still on the heap.
            if lane and lane[0].id == identity:
                return lane[0]
        return None

    def put_back(self, dispatch: Dispatch) -> None:
        """Take back a head that was returned by `next` and cannot be called yet."""
        if dispatch in self:
            self._push_head(dispatch)

    def settle(self, dispatch: Dispatch) -> None:
        """Remove a head that is finally settled, and advance its lane."""
        lane = self._lanes.get(dispatch.key)
        if not lane or lane[0].id != dispatch.id:
            return
        self._forget(lane.popleft())
        if lane:
            self._push_head(lane[0])
        else:
            del self._lanes[dispatch.key]

    def drop(self, key: str) -> None:
        """Remove a whole lane from memory; it is still in the table."""
        for dispatch in self._lanes.pop(key, ()):
            self._forget(dispatch)

    def drop_partition(self, partition: int) -> None:
        """Remove all lanes of a partition that another daemon now owns."""
        for key in [key for key in self._lanes if partition_of(key) == partition]:
            self.drop(key)

    def _push_head(self, dispatch: Dispatch) -> None:
        # After a lane was dropped and filled again, its old head is still on the heap.
        if dispatch.id not in self._on_heap:
            self._on_heap.add(dispatch.id)
            heappush(self._heads, (dispatch.position, dispatch.id, dispatch.key))

    def _forget(self, dispatch: Dispatch) -> None:
        del self._ids[dispatch.id]
        self._bytes -= len(dispatch.call)
