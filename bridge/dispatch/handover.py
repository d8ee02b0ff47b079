"""Handing over: what intake has just committed goes to its lane in memory, with its event.

Reading it back from the table, and then its event, costs two round trips before each call. But a lane
that is empty in memory proves nothing: a lane whose head failed leaves memory, and pages and crowded
keys stay in the table. So a dispatch is handed over only if

1. the statement that inserted it saw no open or waiting dispatch of its key (`insert_dispatches`),
2. nothing of its key is in memory, or came into it since before that statement (`Window.touched`),
3. its partition has been held under one lease since then (`Window.leases`), and still is when its call
   begins (`bridge.dispatch.caller`),
4. its route is not paused, there is room, and no earlier dispatches wait in the table for room. If no
   namespace has room when the recording begins (`Window.room`), its statement returns none.

Any other stays in the table and is read from there. *Why the order holds:* let an earlier dispatch E of the
key be unsettled when a later one L is handed over. If E was committed before L's statement began, the
statement saw it (1). If not, E comes from elsewhere (a replay, a redrive, another source), and only
the owner of the partition calls it: this daemon, since (3). E has not been called, since (2). So E
comes after L, as it would if L had been read from the table a moment before E was committed.

A crash loses what was handed over from memory only: it is open in the table.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bridge.dispatch.partitions import partition_of
from bridge.operations.base import Dispatch
from eventstore.events import StoredEvent
from eventstore.leases import Lease


class Fresh(NamedTuple):
    """A dispatch that was just committed, and whose key had nothing open; with its event."""

    dispatch: Dispatch
    event: StoredEvent


class Window:
    """The state of dispatch when a recording began, and what it did since. Open one before each recording.

    Args:
        leases: The partitions from which this daemon takes, with their leases.
        room: Whether there is room for what is recorded.
    """

    def __init__(self, leases: Mapping[int, Lease], *, room: bool = True) -> None:
        self.leases = leases
        self.room = room
        self.touched: set[str] = set()
        """The keys of which something came into memory since."""

    def allows(self, key: str, leases: Mapping[int, Lease]) -> bool:
        """Return whether a key may be handed over, given the partitions' leases now."""
        if key in self.touched:
            return False
        partition = partition_of(key)
        lease = leases.get(partition)
        return lease is not None and lease is self.leases.get(partition)


class Handed(NamedTuple):
    """Fresh dispatches of one recording, in position order, and its window."""

    window: Window
    fresh: Sequence[Fresh]


def by_key(fresh: Iterable[Fresh]) -> dict[str, list[Fresh]]:
    """Group dispatches by key, in their order."""
    keys: dict[str, list[Fresh]] = {}
    for each in fresh:
        keys.setdefault(each.dispatch.key, []).append(each)
    return keys
