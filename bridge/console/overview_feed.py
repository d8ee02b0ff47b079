"""The overview, computed once for all who look at it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from bridge.inspect.overview import Overview

EVERY_SECONDS = 5.0
MAX_FOLLOWERS = 64
"""So many browsers may follow; connections are left for pages."""


class OverviewFeed:
    """Computes the overview when somebody asks, at most once in some seconds.

    Args:
        compute: Computes it.
        every: Seconds for which one overview is used.
    """

    def __init__(
        self, compute: Callable[[], Awaitable[Overview]], *, every: float = EVERY_SECONDS
    ) -> None:
        self._compute = compute
        self._every = every
        self._computing = asyncio.Lock()
        self._last: Overview | None = None
        self._at = 0.0
        self._followers = 0

    @property
    def is_full(self) -> bool:
        """Whether so many browsers follow that no more are accepted."""
        return self._followers >= MAX_FOLLOWERS

    async def current(self) -> Overview:
        """Return an overview that is not older than the interval.

        Raises:
            Unavailable: The database cannot be reached.
        """
        async with self._computing:
            if self._last is None or time.monotonic() - self._at >= self._every:
                self._last = await self._compute()
                self._at = time.monotonic()
            return self._last

    def forget(self) -> None:
        """Compute it again for the next who asks: somebody has just changed what it shows."""
        self._last = None

    async def following(self) -> AsyncGenerator[Overview]:
        """Yield the overview now and after each interval.

        Raises:
            Unavailable: The database cannot be reached.
        """
        self._followers += 1
        try:
            while True:
                yield await self.current()
                await asyncio.sleep(self._every)
        finally:
            self._followers -= 1
