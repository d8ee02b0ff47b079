"""The end of the chain that a run belongs to, and the closure event for it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from bridge.closures.event import RunsIn, closing, size_of, with_result
from bridge.closures.runs import CheckedRun, OpenRun
from bridge.cloudevents.lineage import inherited
from bridge.emit.checking import CallApart, check_event, compact_json
from bridge.jetstream.publishing import HEADER_ALLOWANCE
from bridge.operations.calls import CallError
from bridge.settings.schema import ClosureSettings
from bridge.temporal.endings import NO_RESULT, Ending
from eventstore.prepared import StreamAppend

UNAVAILABLE_SECONDS = 2.0
"""Until the next check of a run about which a server could not be asked."""
_MAX_LINKS = 50
"""Maximum number of runs of a chain that one check follows."""
_ALWAYS_FITS = 4096
"""An event of at most so many bytes is recorded even while the limit of its stream is unknown."""


class Runs(Protocol):
    """How runs ended, from Temporal. All methods raise `CallError`."""

    async def ending(self, workflow_id: str, run_id: str, most_bytes: int) -> Ending | None:
        """Return how a run ended, None while it is open; see `Observer.ending`."""
        ...

    async def closed_since(self, since: datetime, most: int) -> list[str]:
        """Return ids of runs that are listed as closed since then; the list may lag."""
        ...

    async def lineage_memo(self, workflow_id: str, run_id: str) -> dict[str, Any]:
        """Return the memo fields about the event that started a run, its own or an ancestor's."""
        ...


class Chains:
    """Checks runs; makes the closure events of those whose chain has ended.

    Args:
        runs: Returns how runs ended.
        runs_in: The namespace, and how the events are called.
        settings: The ``closures`` section of the settings.
        work: Reads and checks large results outside the event loop (`Evaluator.work`).
        most: Returns the maximum message size of the results stream in bytes (`MessageLimit`).
    """

    def __init__(
        self,
        runs: Runs,
        runs_in: RunsIn,
        settings: ClosureSettings,
        work: CallApart,
        most: Callable[[], Awaitable[int | None]],
    ) -> None:
        self._runs = runs
        self._runs_in = runs_in
        self._settings = settings
        self._work = work
        self._most = most

    async def check(
        self, run: OpenRun, namespace: UUID
    ) -> tuple[CheckedRun, StreamAppend | None]:
        """Return the run's state and, if its chain has ended, the event to append.

        Raises:
            CallError: Temporal is unavailable, or does not know the run.
            InvalidEvent: The store would refuse the event.
            ChildEndedError: The result cannot be read.
        """
        latest, ending = await self._follow(run)
        if ending is None:
            return CheckedRun(run, "open", latest), None
        most = await self._most()
        append = await self._closure_of(run, ending, namespace, most)
        if append is None:
            return CheckedRun(run, "foreign", latest, "no event started it"), None
        if most is None and size_of(append) > _ALWAYS_FITS:
            # NATS was not reached yet, and a recorded event can no longer be shortened.
            reason = "its event is large, and the limit of the results stream is unknown"
            return CheckedRun(run, "open", latest, reason, UNAVAILABLE_SECONDS), None
        (new,) = append.events
        append = StreamAppend(append.stream, (await check_event(self._work, new),))
        return CheckedRun(run, "announced", latest, ending.status), append

    async def _follow(self, run: OpenRun) -> tuple[str, Ending | None]:
        """Return the last run of the chain, and how it ended; None while it is open."""
        most = NO_RESULT if run.bare else self._settings.max_result_bytes
        latest, before = run.latest, None
        for _ in range(_MAX_LINKS):
            try:
                ending = await self._runs.ending(run.workflow_id, latest, most)
            except CallError as error:
                if before is None or not error.target_gone:
                    raise
                # Temporal has deleted the successor: the closure reports the last known run.
                return before.run_id, before
            if ending is None or not ending.next_run_id:
                return latest, ending
            before, latest = ending, ending.next_run_id
        return latest, None

    async def _closure_of(
        self, run: OpenRun, ending: Ending, namespace: UUID, most: int | None
    ) -> StreamAppend | None:
        """Return the closure event to append; None when no event started the run."""
        memo = ending.memo
        if "bridge" not in memo:
            memo = await self._runs.lineage_memo(run.workflow_id, run.run_id)
        try:
            lineage = inherited(memo)
        except msgspec.ValidationError:
            return None
        if ending.result is not None:
            result = await self._work(compact_json, ending.result)
            ending = with_result(ending, result or None)
        room = None if most is None else most - HEADER_ALLOWANCE
        return closing(ending, lineage, self._runs_in, namespace, room)
