"""`Queue`: the way from one part of dispatch to the next, and what is handed on.

::

    take ──Ready──▶ call ──Called, NotCalled──▶ settle ──Settled──▶ take

Each part is one task that sleeps on one event (`asyncio.Event`). A queue sets its reader's event when
an item is put, and its writer's when the reader wants more. No part knows another part.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from bridge.operations.base import Dispatch
from bridge.operations.outcomes import Outcome
from eventstore.events import StoredEvent
from eventstore.leases import Lease

T = TypeVar("T")


class Ready(NamedTuple):
    """A head of a lane, with all that its call needs."""

    dispatch: Dispatch
    event: StoredEvent
    lease: Lease
    """The lease of its partition when it was taken: without it, neither a call nor a write."""

    @property
    def bytes(self) -> int:
        """Size of the data of its events."""
        members = (each.event for each in self.dispatch.members)
        return sum(len(each.event.data or b"") for each in (self.event, *members))


class Called(NamedTuple):
    """An attempt that was made; its outcome is to be written."""

    ready: Ready
    outcome: Outcome


class NotCalled(NamedTuple):
    """An attempt that was not made, or has no outcome: the lane goes back to the table."""

    ready: Ready
    again_in: float
    """Seconds until the table is to be read again."""


class Settled(NamedTuple):
    """What a group of answers changed; its outcomes are committed."""

    ended: Sequence[Dispatch]
    """Finally settled: their lanes advance."""
    deferred: Sequence[tuple[Dispatch, float]]
    """Still open: their lanes are read again from the table, after these seconds."""
    woken: int
    """Number of waiting dispatches, also of other lanes, that became due."""


class Queue(Generic[T]):
    """Items in order, from one task to another; neither waits here.

    Args:
        reader: Set when there is an item to read.
        writer: Set when half of what the reader wants ahead has been read.
        ahead: Returns how many items the reader wants ahead.
        size: Returns the size of an item in bytes.
    """

    def __init__(
        self,
        reader: asyncio.Event,
        writer: asyncio.Event | None = None,
        ahead: Callable[[], int] = lambda: 0,
        size: Callable[[T], int] = lambda _: 0,
    ) -> None:
        self._items: deque[T] = deque()
        self._reader = reader
        self._writer = writer
        self._ahead = ahead
        self._size = size
        self.bytes = 0
        """Size of the items that were put and not released."""
        self.complete = asyncio.Event()
        """Set by the writer while no further item will follow soon."""

    def __len__(self) -> int:
        return len(self._items)

    @property
    def ahead(self) -> int:
        """How many items the reader wants ahead."""
        return self._ahead()

    @property
    def room(self) -> int:
        """How many more items the reader wants ahead now."""
        return max(0, self._ahead() - len(self._items))

    def put(self, item: T) -> None:
        """Append an item and wake the reader."""
        self._items.append(item)
        self.bytes += self._size(item)
        self._reader.set()

    def read(self) -> T:
        """Remove and return the first item; its bytes count until `release`.

        Raises:
            IndexError: The queue is empty.
        """
        item = self._items.popleft()
        self._ask()
        return item

    def release(self, item: T) -> None:
        """Count the bytes of an item that was read no longer: the reader keeps it no more."""
        self.bytes -= self._size(item)
        self._ask()

    def _ask(self) -> None:
        if self._writer is not None and len(self._items) <= self._ahead() // 2:
            self._writer.set()

    def read_all(self) -> list[T]:
        """Remove and return all items, and release them."""
        items = list(self._items)
        self._items.clear()
        self.complete.clear()
        self.bytes = 0
        return items
