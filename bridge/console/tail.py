"""The live tail: one subscription to the log, for all browsers that watch."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from bridge.cel import CelExpression, compile_expression
from bridge.errors import BridgeError
from bridge.evaluation import Evaluator
from bridge.inspect.search import EventQuery
from eventstore.errors import EventStoreError
from eventstore.events import StoredEvent
from eventstore.store import EventStore

log = structlog.get_logger(__name__)

MAX_WATCHERS = 64
_MAX_QUEUED = 200
_RETRY_SECONDS = 2.0


class TooManyWatchers(BridgeError):  # noqa: N818 - says what is the case
    """So many browsers watch that no more are accepted."""


@dataclass(eq=False)
class Watcher:
    """One browser that watches the events of a query."""

    query: EventQuery
    condition: CelExpression | None
    queue: asyncio.Queue[StoredEvent] = field(
        default_factory=lambda: asyncio.Queue(maxsize=_MAX_QUEUED)
    )
    missed: int = 0
    """Events left out since the last one, because the browser was too slow."""

    async def events(self) -> AsyncIterator[tuple[StoredEvent, int]]:
        """Yield events as they are recorded, each with the number left out before it."""
        while True:
            stored = await self.queue.get()
            missed, self.missed = self.missed, 0
            yield stored, missed


class Tail:
    """Follows the log while somebody watches."""

    def __init__(self, store: EventStore, evaluator: Evaluator) -> None:
        self._store = store
        self._evaluator = evaluator
        self._watchers: set[Watcher] = set()
        self._following: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self, query: EventQuery) -> AsyncIterator[Watcher]:
        """Watch the events of a query that are recorded from now on.

        Raises:
            TooManyWatchers: There are `MAX_WATCHERS` already.
        """
        if len(self._watchers) >= MAX_WATCHERS:
            raise TooManyWatchers(f"{MAX_WATCHERS} browsers watch already: close one")
        condition = (
            None if query.condition is None else compile_expression(query.condition, "bool")
        )
        watcher = Watcher(query, condition)
        self._watchers.add(watcher)
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow())
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                await self.close()

    async def close(self) -> None:
        """Stop following."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    async def _follow(self) -> None:
        while True:
            try:
                await self._follow_from(await self._store.head())
            except EventStoreError as error:
                log.warning("console.tail_interrupted", error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow_from(self, head: int) -> None:
        async with self._store.subscribe(after=head) as subscription:
            async for batch in subscription.batches():
                for stored in batch.events:
                    for watcher in list(self._watchers):
                        await self._offer(watcher, stored)

    async def _offer(self, watcher: Watcher, stored: StoredEvent) -> None:
        if not watcher.query.where.matches(stored):
            return
        if watcher.condition is not None and not await self._evaluator.holds(
            watcher.condition, stored.topic or "", stored.event
        ):
            return
        if watcher.queue.full():
            watcher.missed += 1
            watcher.queue.get_nowait()
        watcher.queue.put_nowait(stored)
