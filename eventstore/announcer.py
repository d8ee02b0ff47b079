"""The announcer: notify readers of new events without slowing the writers.

A NOTIFY inside the append's transaction serialises all commits of the database (measured: 0.25
to 0.66 of the throughput). So it is sent separately, after the commit, once for many commits. It is
only a hint: readers also poll.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final

from eventstore.errors import EventStoreError

_PAUSES: Final = 3
"""The pause after an announcement, as a multiple of the time that it took: announcing takes at most a
quarter of one connection's time, and less of the database's the busier that is."""
_MIN_PAUSE: Final = 0.001
"""Seconds: one caller that appends one event after another needs no announcement for each of them."""
_MAX_PAUSE: Final = 0.008
"""Seconds: the longest pause between two announcements."""
_TURNS: Final = 2
"""Turns of the event loop before an announcement: callers that have just got their results append again first, so
that the database works on their events meanwhile (8 writers: 1.1 times the events a second)."""


def pause_after(seconds: float) -> float:
    """Return the seconds to wait after an announcement that took so long."""
    return min(_MAX_PAUSE, max(_MIN_PAUSE, _PAUSES * seconds))


class Announcer:
    """Sends coalesced announcements from a task that runs only while some are pending.

    Args:
        send: Sends one.
    """

    def __init__(self, send: Callable[[], Awaitable[object]]) -> None:
        self._send = send
        self._wanted = False
        self._later: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def announce(self, *, within: float = 0.0) -> None:
        """Request an announcement within about so many seconds; never waits, never raises.

        It is sent earlier together with another one.
        """
        self._wanted = True
        if not within:
            self._begin()
        elif self._task is None and self._later is None:
            self._later = asyncio.get_running_loop().call_later(within, self._begin)

    async def flush(self) -> None:
        """Wait until the requested announcements are sent or have failed."""
        if self._wanted:
            self._begin()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _begin(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._wanted:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                self._wanted = False
                began = perf_counter()
                try:
                    await self._send()
                except EventStoreError:
                    self._wanted = False  # only a hint: the readers also poll
                    return
                await asyncio.sleep(pause_after(perf_counter() - began))
        finally:
            self._task = None
