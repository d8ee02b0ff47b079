"""The runner of replays: lease, pace, saved progress, resuming."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bridge.history.replay.store import Replay, Replays, ReplayStopped
from bridge.history.replay.store import Runner as RunnerKind
from bridge.lifecycle.leadership import alone
from bridge.lifecycle.lease_names import replay_lease
from eventstore.errors import Deposed
from eventstore.events import StoredEvent
from eventstore.leases import Lease, Leases
from eventstore.store import EventStore

_SAVE_SECONDS = 1.0
_STEP_SECONDS = 0.1
"""The rate is kept in steps of this length."""


@dataclass(frozen=True, slots=True)
class Passed:
    """An event that could not be sent, and why."""

    position: int
    reason: str


def without_body(stored: StoredEvent) -> str:
    """Return why an event without its body is not sent."""
    return (
        f"its data was removed from the store (removal {stored.removal}); if a prune archived it, "
        "--include-archive reads it back"
    )


class Target(Protocol):
    """The target of a replay. The runner passes events in position order."""

    async def resume(self, replay: Replay, lease: Lease, /) -> int:
        """Prepare the target; return the position of the last event that it already has."""
        ...

    async def take(self, replay: Replay, events: Sequence[StoredEvent]) -> None:
        """Send events; they may still be in flight when this returns."""
        ...

    async def settle(self) -> tuple[int, int | None]:
        """Wait until all taken events are stored; return the last position and the stream's sequence."""
        ...

    async def finish(self) -> None:
        """Complete the target after the last event."""
        ...


class Runner:
    """Runs replays.

    Args:
        replays: The table of replays.
        store: The store whose events are replayed.
        leases: The leases; each replay has one.
        who: This process's name, shown to operators.
        kind: Whether a command or a console runs it. Only a command runs one that is not open.
        advanced: Called with the number of events newly done.
        resumed: Called with the number of events that earlier runs had done; default: ``advanced``.
        passed: Called with events whose bodies were removed: they are not sent.
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
        passed: Callable[[Passed], None] = lambda _: None,
        kind: RunnerKind = "command",
    ) -> None:
        self._kind: RunnerKind = kind
        self._replays = replays
        self._store = store
        self._leases = leases
        self._who = who
        self._advanced = advanced
        self._resumed = resumed or advanced
        self._passed = passed

    async def run(self, replay: Replay, target: Target, rate: float | None = None) -> int:
        """Run a replay to its end; return its number of events over all runs.

        It can be interrupted at any moment and run again. ``rate`` is the most events a second, by
        default the replay's own.

        Raises:
            HeldElsewhere: Another process is running it.
            ReplayStopped: Somebody stopped it.
            Deposed: Another process has taken it over.
            BridgeError: The target refuses an event; those before it are stored.
            Unavailable: The database cannot be reached.
        """
        try:
            return await self._run(replay, target, rate)
        except Deposed:
            if await self._replays.is_stopped(replay.id):
                raise ReplayStopped(f"replay {replay.id} was stopped") from None
            raise

    async def _run(self, replay: Replay, target: Target, rate: float | None) -> int:
        rate = replay.rate if rate is None else rate
        async with alone(self._leases, replay_lease(replay.id), self._who) as lease:
            await self._replays.claim(replay, self._kind, rate)
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
        pace, saved_at = RateLimit(rate), clock()
        chunks = replay.selection.chunks(self._store, after=position, through=replay.through)
        async for chunk in chunks:
            for events in pace.portions(chunk):
                await pace.wait(len(events))
                whole = self._whole(events)
                if whole:
                    await target.take(replay, whole)
                done += len(events)
                self._advanced(len(events))
            if clock() - saved_at >= _SAVE_SECONDS:
                await self._save(replay, target, done, lease)
                saved_at = clock()
        await target.settle()
        return done

    def _whole(self, events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        """Return the events that have their bodies; report the others."""
        for stored in events:
            if stored.removal is not None:
                self._passed(Passed(stored.position, without_body(stored)))
        return [stored for stored in events if stored.removal is None]

    async def _save(self, replay: Replay, target: Target, done: int, lease: Lease) -> None:
        position, sequence = await target.settle()
        await self._replays.save(replay, position, done, lease, sequence=sequence)

    async def _ahead(self, replay: Replay, position: int) -> int:
        """Return by how many events the target is ahead of the saved position; negative if behind."""
        low, high = sorted((replay.position, position))
        chunks = replay.selection.chunks(self._store, after=low, through=high)
        between = sum([len(chunk) async for chunk in chunks])
        return between if position >= replay.position else -between


class RateLimit:
    """Limits the number of events a second."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._due = asyncio.get_running_loop().time()

    def portions(self, events: Sequence[StoredEvent]) -> list[Sequence[StoredEvent]]:
        """Split events into portions that may be sent together."""
        if self._rate is None:
            return [events]
        most = max(1, int(self._rate * _STEP_SECONDS))
        return [events[start : start + most] for start in range(0, len(events), most)]

    async def wait(self, count: int) -> None:
        """Wait until this many more events may be sent."""
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(self._due - now)
        # Time lost by waiting elsewhere is not made up in a burst.
        self._due = max(self._due, now) + count / self._rate
