"""Comparisons of routes with proposed ones over the stored history, for pages that are open.

A comparison runs in steps of some seconds, each at a request of the page, so it ends when the page is closed.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

from bridge.history.backtest.answer import rows_of, summary
from bridge.history.backtest.backtest import Backtest
from bridge.history.replay.selection import Selection
from eventstore.events import StoredEvent
from eventstore.store import EventStore

MAX_COMPARISONS = 8
STEP_SECONDS = 2.0
_AT_ONCE = 50
_MAX_STEPS = 60
"""Steps after which it goes on at a click only."""


class Comparison:
    """One comparison.

    Args:
        backtest: Compares.
        selection: The events.
        through: The last position.
    """

    def __init__(self, backtest: Backtest, selection: Selection, through: int) -> None:
        self.number = secrets.token_urlsafe(12)
        self.backtest = backtest
        self.through = through
        self.reached = selection.after
        self.first = selection.after
        self.steps = 0
        self.rows: Sequence[dict[str, Any]] = ()
        """The answer, once it is whole."""
        self._selection = selection
        self._stepping = asyncio.Lock()

    @property
    def is_whole(self) -> bool:
        """Whether all events are compared."""
        return self.reached >= self.through

    @property
    def goes_on(self) -> bool:
        """Whether the page asks for the next step without a click."""
        return not self.is_whole and self.steps % _MAX_STEPS != 0

    @property
    def summary(self) -> str:
        """The answer in a sentence."""
        return summary(self.backtest, self.through)

    async def step(self, store: EventStore, seconds: float = STEP_SECONDS) -> None:
        """Compare further events for so long.

        Raises:
            Unavailable: The database cannot be reached; call it again.
        """
        async with self._stepping:
            if self.is_whole:
                return
            self.steps += 1
            clock = asyncio.get_running_loop().time
            until = clock() + seconds
            async for some in self._next_events(store):
                await self.backtest.compare(some)
                self.reached = some[-1].position
                await asyncio.sleep(0)  # other pages have their turn
                if clock() >= until:
                    break
            else:
                self.reached = self.through
            if self.reached >= self.through:
                self.rows = await rows_of(self.backtest, store)

    async def _next_events(self, store: EventStore) -> AsyncIterator[Sequence[StoredEvent]]:
        """Yield the events that are not compared yet, a few at a time."""
        async for page in self._selection.chunks(
            store, after=self.reached, through=self.through
        ):
            for start in range(0, len(page), _AT_ONCE):
                yield page[start : start + _AT_ONCE]


class Comparisons:
    """The last comparisons of one console."""

    def __init__(self) -> None:
        self._kept: dict[str, Comparison] = {}

    def add(self, comparison: Comparison) -> None:
        """Keep a comparison; the oldest one may be dropped for it."""
        if len(self._kept) >= MAX_COMPARISONS:
            del self._kept[next(iter(self._kept))]
        self._kept[comparison.number] = comparison

    def find(self, number: str) -> Comparison | None:
        """Return a comparison; None if it was dropped."""
        return self._kept.get(number)
