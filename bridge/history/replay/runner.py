"""One run of a replay: under its lease, at its pace, saved now and then, able to go on."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.history.replay.store import Replay, Replays
from bridge.lifecycle.leadership import alone
from bridge.lifecycle.lease_names import replay_lease
from eventstore.events import StoredEvent
from eventstore.leases import Lease, Leases
from eventstore.store import EventStore

_SAVE_SECONDS = 1.0
_FINE = 0.1
"""A rate is kept in steps of this many seconds."""


@dataclass(frozen=True, slots=True)
class Passed:
    """An event that could not be sent, and why."""

    position: int
    reason: str


class Target(Protocol):
    """Where copies go. Told by the runner of events in position order."""

    async def resume(self, replay: Replay, lease: Lease, /) -> int:
        """Get ready, and return the position of the last event that is there already."""
        ...

    async def take(self, replay: Replay, events: Sequence[StoredEvent]) -> None:
        """Send events; they may still be under way when this returns."""
        ...

    async def settle(self) -> tuple[int, int | None]:
        """Wait until what was taken is there; return its last position, and the stream's sequence."""
        ...

    async def finish(self) -> None:
        """Do what is left when the last event is there."""
        ...


class Runner:
    """Runs replays.

    Args:
        replays: Where they are written down.
        store: What they read.
        leases: One for each replay.
        who: Who runs it, for people to read.
        advanced: Told of how many events more are done.
        resumed: Told of how many earlier runs had done; default is to tell ``advanced``.
    """

    def __init__(
        self,
        replays: Replays,
        store: EventStore,
        leases: Leases,
        *,
        who: str,
        advanced: Callable[[int], None],
        resumed: Callable[[int], None] | None = None,
    ) -> None:
        self._replays = replays
        self._store = store
        self._leases = leases
        self._who = who
        self._advanced = advanced
        self._resumed = resumed or advanced

    async def run(self, replay: Replay, target: Target, rate: float | None = None) -> int:
        """Run a replay to its end and return how many events it came to, over all its runs.

        Interrupted at any moment it can be run again.

        Raises:
            HeldElsewhere: It is being run by somebody else.
            Deposed: Somebody else has taken it over meanwhile.
            BridgeError: The target refuses; what came before is there.
            Unavailable: The database is away.
        """
        async with alone(self._leases, replay_lease(replay.id), self._who) as lease:
            position = await target.resume(replay, lease)
            done = replay.done + await self._ahead(replay, position)
            self._resumed(done)
            done = await self._send(replay, target, position, done, lease, rate)
            await target.finish()
            await self._replays.save(replay, replay.through, done, lease, finished=True)
            return done

    async def _send(
        self,
        replay: Replay,
        target: Target,
        position: int,
        done: int,
        lease: Lease,
        rate: float | None,
    ) -> int:
        clock = asyncio.get_running_loop().time
        pace, saved_at = Pace(rate), clock()
        chunks = replay.selection.chunks(self._store, after=position, through=replay.through)
        async for chunk in chunks:
            for events in pace.portions(chunk):
                await pace.wait(len(events))
                await target.take(replay, events)
                done += len(events)
                self._advanced(len(events))
            if clock() - saved_at >= _SAVE_SECONDS:
                await self._save(replay, target, done, lease)
                saved_at = clock()
        await target.settle()
        return done

    async def _save(self, replay: Replay, target: Target, done: int, lease: Lease) -> None:
        position, sequence = await target.settle()
        await self._replays.save(replay, position, done, lease, sequence=sequence)

    async def _ahead(self, replay: Replay, position: int) -> int:
        """Return by how many events the target is ahead of what was saved, or (below 0) behind."""
        low, high = sorted((replay.position, position))
        chunks = replay.selection.chunks(self._store, after=low, through=high)
        between = sum([len(chunk) async for chunk in chunks])
        return between if position >= replay.position else -between


class Pace:
    """Keeps to so many events a second."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._due = asyncio.get_running_loop().time()

    def portions(self, events: Sequence[StoredEvent]) -> list[Sequence[StoredEvent]]:
        """Part events into what may go out together."""
        if self._rate is None:
            return [events]
        most = max(1, int(self._rate * _FINE))
        return [events[start : start + most] for start in range(0, len(events), most)]

    async def wait(self, count: int) -> None:
        """Wait until so many more may go out."""
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(self._due - now)
        # What was missed by waiting for something else is not made up for in a burst.
        self._due = max(self._due, now) + count / self._rate
