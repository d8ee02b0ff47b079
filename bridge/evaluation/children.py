"""A pool of child processes for one evaluator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bridge.evaluation.process import ChildProcess

_MAX_CHILDREN = 2


class Children:
    """A pool of children, each used by one task at a time. Belongs to one event loop.

    Args:
        start: Starts a child.
    """

    def __init__(self, start: Callable[[], Awaitable[ChildProcess]]) -> None:
        self._start = start
        self._idle: list[ChildProcess] = []
        self._busy: set[ChildProcess] = set()
        self._room = asyncio.Semaphore(_MAX_CHILDREN)

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the children."""
        return tuple(child.pid for child in (*self._idle, *self._busy))

    async def have_one(self) -> None:
        """Start a child before it is needed, if there is none."""
        if not self.pids:
            async with self.one():
                pass

    async def close(self) -> None:
        """End all children; their current tasks fail."""
        children = [*self._idle, *self._busy]
        self._idle.clear()
        for child in children:
            await child.close()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[ChildProcess]:
        """Provide a child for a block. After an exception the child is ended: it may still work."""
        async with self._room:
            child = None
            while self._idle and child is None:
                child = self._idle.pop()
                if not child.is_alive:
                    await child.close()
                    child = None
            if child is None:
                child = await self._start()
            self._busy.add(child)
            whole = False
            try:
                yield child
                whole = True
            finally:
                self._busy.discard(child)
                if whole:
                    self._idle.append(child)
                else:
                    await child.close()
