"""Surveys: what a replay would do, before it begins. Nothing is written.

A survey reads for a limited time and says how far it came, so that a page can show it and go on.
"""

import time
from collections import Counter
from collections.abc import Callable

import msgspec

from bridge.history.replay.selection import Selection
from bridge.history.replay.to_routes import Planner
from eventstore.database import Database
from eventstore.store import EventStore

_WINDOW = 2_000
"""Positions that one step reads."""


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a replay that has not begun."""

    through: int
    """Its last position: where the log was final when the survey began."""
    reached: int
    """Events at or below this position are counted."""
    total: int = 0
    """The selected events among them."""
    tally: dict[str, int] = {}
    """To routes: what they would come to, as `Planner.plan` counts it."""

    @property
    def is_whole(self) -> bool:
        """Whether all events are counted."""
        return self.reached >= self.through


class Surveyor:
    """Surveys one replay.

    Args:
        database: The dispatches.
        store: The events.
        selection: Which events.
        planner: For a replay to routes; None for another target.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        selection: Selection,
        planner: Planner | None,
    ) -> None:
        self._database = database
        self._store = store
        self._selection = selection
        self._planner = planner

    async def begin(self) -> Survey:
        """Return an empty survey of all events up to where the log is final."""
        through = await self._selection.end(self._store)
        return Survey(through=through, reached=min(self._selection.after, through))

    async def go_on(
        self,
        survey: Survey,
        *,
        seconds: float | None = None,
        step: Callable[[int], None] | None = None,
    ) -> Survey:
        """Count more events; return what is known then.

        Args:
            survey: What is known.
            seconds: Stop after about this time; None: count all.
            step: Called with each number of events that was counted.

        Raises:
            Unavailable: The database cannot be reached.
        """
        if self._planner is None and self._selection.condition is None:
            # An index or one scan counts these faster than any reading.
            total = await self._selection.count(self._store, survey.through)
            return msgspec.structs.replace(survey, reached=survey.through, total=total)
        reached, total, tally = survey.reached, survey.total, Counter(survey.tally)
        until = None if seconds is None else time.monotonic() + seconds
        while reached < survey.through and (until is None or time.monotonic() < until):
            end = min(reached + _WINDOW, survey.through)
            chunks = self._selection.chunks(self._store, after=reached, through=end)
            async for chunk in chunks:
                if self._planner is not None:
                    known = await self._planner.known(self._database, chunk)
                    for stored in chunk:
                        await self._planner.plan(stored, known, tally)
                total += len(chunk)
                if step is not None:
                    step(len(chunk))
            reached = end
        return Survey(through=survey.through, reached=reached, total=total, tally=dict(tally))
