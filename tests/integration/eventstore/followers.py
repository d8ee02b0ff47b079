"""Who follows the log in a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from eventstore.filters import Filter
from eventstore.reader import EVERYTHING
from eventstore.store import EventStore
from eventstore.subscription import Subscription


class Follower:
    """Collects what a subscription gives."""

    def __init__(self, subscription: Subscription) -> None:
        self.positions: list[int] = []
        self.through = 0
        self._grown = asyncio.Condition()
        self._task = asyncio.create_task(self._run(subscription))

    async def _run(self, subscription: Subscription) -> None:
        async for batch in subscription.batches():
            async with self._grown:
                self.positions += [stored.position for stored in batch.events]
                assert batch.through > self.through
                self.through = batch.through
                self._grown.notify_all()

    async def reaches(self, position: int) -> list[int]:
        async with asyncio.timeout(20), self._grown:
            await self._grown.wait_for(lambda: self.through >= position)
        return self.positions

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


@asynccontextmanager
async def following(
    store: EventStore, after: int = 0, where: Filter = EVERYTHING, uid: UUID | None = None
) -> AsyncIterator[Follower]:
    async with store.subscribe(after=after, uid=uid, where=where) as subscription:
        follower = Follower(subscription)
        try:
            yield follower
        finally:
            await follower.stop()
