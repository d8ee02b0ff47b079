"""``look → append → settle``: how every run that a route started came to its end.

Whoever wrote a workflow, in whatever language, and however it ended, its end is a result event
(`bridge.closures.event`). A workflow that is terminated, or times out as a whole, cannot tell
of it; Temporal can.

**The sweep is the authority.** The commit that settles a start also notes the run
(``settle_dispatches.sql``). A noted run is looked at again and again, more rarely the older it gets,
until it has ended: nothing is forgotten over restarts of anything, and nothing depends on a
notification. **Visibility is the fast path**: what Temporal lists as closed lately is looked at
at once. The list may lag, lose or repeat; it only says where to look first.

**The true end.** A run that was retried, continued as new, reset or followed by the next one of
its schedule is a link of a chain; the chain is followed, link by link, and told of once.

**Told once.** Events and the rows that settle the runs are one commit, under a lease: a daemon
that was frozen in the middle can do no harm. The id of an event follows from run and status,
so that a second telling would change nothing.

=======================================  ================================================
what a look finds                        what follows
=======================================  ================================================
open                                     another look, later
closed, with a successor                 the successor is looked at
closed for good                          the event; state ``announced``
closed, started by nobody's event        nothing; ``foreign`` (a signal with start met it)
unknown to Temporal                      ``lost``, with the reason, and a line in the log:
                                         its retention ended while no daemon was running
Temporal away                            another look, soon
=======================================  ================================================
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, Protocol
from uuid import UUID

import msgspec
import structlog
from typing_extensions import override

from bridge.closures.event import closing, with_result
from bridge.closures.runs import Found, OpenRun, OpenRuns
from bridge.cloudevents.lineage import inherited
from bridge.emit.checking import Work, check_event, compact_json
from bridge.emit.identity import EmitIdentity
from bridge.lifecycle.crash_points import fault
from bridge.lifecycle.leadership import Leadership
from bridge.lifecycle.services import TaskService
from bridge.operations.calls import CallError
from bridge.settings.schema import ClosureSettings
from bridge.sql import in_pieces
from bridge.temporal.endings import Ending
from eventstore.appending import Appended, StreamAppend
from eventstore.database import Database
from eventstore.errors import AppendRefused, InvalidEvent, Unavailable
from eventstore.leases import Lease
from eventstore.store import EventStore

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.5
_LONGEST_POLL_SECONDS = 3.0
_LISTING_SHARE = 0.025
"""Of the time, that Temporal may be busy listing: where its visibility has no index for the
question, a list costs the more, the more runs it knows."""
_ROUND = 200
"""Most runs that are looked at before what was found is written."""
_MOST_LINKS = 50
"""Of a chain, that one look follows."""
_SWEEP = 5
"""Of the runs that nothing is said about, how many are looked at in a round: Temporal has other
things to do."""
_MOST_LISTED = 20_000
_OVERLAP = timedelta(seconds=10)
"""How far back the list is read again: visibility lags, and clocks differ."""
_BEFORE = timedelta(days=1)
"""How far back it is read by a new leader, at most; what is older, the sweep finds."""
_AWAY_SECONDS = 2.0
_UNEXPLAINED_SECONDS = 60.0


def pause_after(took: float) -> float:
    """Return how many seconds to wait before the list is asked for again that took so many."""
    return min(max(_POLL_SECONDS, took / _LISTING_SHARE), _LONGEST_POLL_SECONDS)


class Runs(Protocol):
    """Knows how runs ended; the gateway to Temporal. All raise `CallError`."""

    async def ending(self, workflow_id: str, run_id: str, most_bytes: int) -> Ending | None:
        """Return how a run ended, None while it is open."""
        ...

    async def closed_since(self, since: datetime, most: int) -> list[str]:
        """Return runs that were listed as closed since a moment; the list may lag."""
        ...

    async def lineage_memo(self, workflow_id: str, run_id: str) -> dict[str, Any]:
        """Return what a run's memo, or an ancestor's, says about the event that began it."""
        ...


class Closures(TaskService):
    """Tells the ends of runs until stopped.

    Args:
        database: Where the runs are noted.
        store: The event store in it.
        runs: Asked how they ended.
        namespace: Temporal's namespace, for the events' source.
        settings: What is told.
        work: Reads and checks large results elsewhere than on the event loop (`Evaluator.work`).
        leadership: One daemon does this at a time.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        runs: Runs,
        namespace: str,
        settings: ClosureSettings,
        work: Work,
        leadership: Leadership,
    ) -> None:
        super().__init__("closures")
        self._database = database
        self._store = store
        self._runs = runs
        self._namespace = namespace
        self._settings = settings
        self._work = work
        self._leadership = leadership
        self._table = OpenRuns(database)
        self._identity = EmitIdentity(database)
        self._calls = asyncio.Semaphore(settings.in_flight)
        self._away = False
        self._answers = True

    @override
    async def run(self) -> None:
        """Watch whenever this daemon leads, until stopped."""
        self.ready()
        if self._settings.enabled:
            await self._leadership.run(self._lead, self.stopping)
        else:
            await self.stopping.wait()

    async def _lead(self, lease: Lease) -> None:
        since: datetime | None = None
        while not self.stopping.is_set():
            more, took = False, 0.0
            closed: list[str] | None = []
            try:
                began, oldest = await self._table.now(), await self._table.oldest()
                if oldest is not None:
                    since = since or max(oldest - _OVERLAP, began - _BEFORE)
                    asked = perf_counter()
                    closed = await self.unless_stopped(self._listed(since))
                    took = perf_counter() - asked
                    more = bool(await self.unless_stopped(self._round(closed or [], lease)))
                if closed is not None and self._answers:
                    self.problem = None
                # Else what has closed since is asked for again: it could not be, or there is more.
                if closed is not None and not more:
                    since = began - _OVERLAP
            except Unavailable as error:
                self.problem = str(error)
                log.warning("closures.store_unavailable", error=str(error))
            if not more:
                await self.pause(pause_after(took))

    async def _listed(self, since: datetime) -> list[str] | None:
        """Return what has closed since a moment, None when Temporal does not say."""
        try:
            return await self._runs.closed_since(since, _MOST_LISTED)
        except CallError as error:
            self._say_away(error)
            return None

    async def _round(self, closed: Sequence[str], lease: Lease) -> bool:
        """Look at what is due and write what was found; tell whether there is more."""
        due = await self._table.due(closed, _ROUND, _SWEEP)
        self._answers = True
        namespace = await self._identity.namespace()
        looks = await asyncio.gather(*(self._look(run, namespace) for run in due))
        for piece in in_pieces(looks, _size):
            await self._write(piece, lease)
        return len(due) >= _ROUND and self._answers

    async def _look(self, run: OpenRun, namespace: UUID) -> tuple[Found, StreamAppend | None]:
        async with self._calls:
            if not self._answers:
                return Found(run, "open", run.latest, "Temporal is away", _AWAY_SECONDS), None
            try:
                return await self._found(run, namespace)
            except CallError as error:
                return self._not_found(run, error), None
            except InvalidEvent as error:
                return Found(
                    run, "lost", run.latest, f"its event cannot be kept: {error}"
                ), None
            except Exception as error:
                # Our own bug must not keep the other runs' ends from being told.
                log.exception("closures.unexplained", run_id=run.latest)
                return Found(run, "open", run.latest, repr(error), _UNEXPLAINED_SECONDS), None

    async def _found(self, run: OpenRun, namespace: UUID) -> tuple[Found, StreamAppend | None]:
        latest, ending = await self._follow(run)
        self._away = False
        if ending is None:
            return Found(run, "open", latest), None
        told = await self._told(run, ending, namespace)
        if told is None:
            return Found(run, "foreign", latest, "no event started it"), None
        (new,) = told.events
        told = StreamAppend(told.stream, (await check_event(self._work, new),))
        return Found(run, "announced", latest, ending.status), told

    async def _follow(self, run: OpenRun) -> tuple[str, Ending | None]:
        """Return the last link of the chain, and how it ended unless it is open."""
        most = -1 if run.bare else self._settings.max_result_bytes
        latest, before = run.latest, None
        for _ in range(_MOST_LINKS):
            try:
                ending = await self._runs.ending(run.workflow_id, latest, most)
            except CallError as error:
                if before is None or not error.target_gone:
                    raise
                # What went on is gone: the last that is known is what can be told.
                return before.run_id, before
            if ending is None or not ending.next_run_id:
                return latest, ending
            before, latest = ending, ending.next_run_id
        return latest, None

    async def _told(self, run: OpenRun, ending: Ending, namespace: UUID) -> StreamAppend | None:
        """Return the event about an end; None when no event started the run."""
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
        return closing(ending, lineage, self._namespace, namespace)

    def _not_found(self, run: OpenRun, error: CallError) -> Found:
        if not error.target_gone:
            self._answers = False
            self._say_away(error)
            return Found(run, "open", run.latest, str(error), _AWAY_SECONDS)
        log.error(
            "closures.lost",
            workflow_id=run.workflow_id,
            run_id=run.latest,
            route=run.route,
            event_uid=str(run.uid),
            error=str(error),
            next_step="its end is not told: Temporal does not know the run any more",
        )
        return Found(run, "lost", run.latest, f"Temporal does not know the run: {error}")

    async def _write(
        self, looks: Sequence[tuple[Found, StreamAppend | None]], lease: Lease
    ) -> None:
        appends = {append.events[0].event.uid: append for _, append in looks if append}
        async with self._database.transaction() as connection:
            await lease.assert_held(connection)
            stored = await self._store.append_each(
                list(appends.values()), connection=connection
            )
            refused = _refusals(list(appends), stored)
            await self._table.settle(
                connection, [_after_append(found, told, refused) for found, told in looks]
            )
            if appends:
                fault("closures.before-commit")
        if not appends:
            return
        fault("closures.announced")
        self._store.announce()
        for uid, reason in refused.items():
            log.error("closures.refused", event_uid=str(uid), error=reason)
        log.info("closures.announced", runs=len(appends) - len(refused))

    def _say_away(self, error: CallError) -> None:
        self.problem = str(error)
        if not self._away:
            self._away = True
            log.warning("closures.temporal_unavailable", error=str(error))


def _size(look: tuple[Found, StreamAppend | None]) -> int:
    told = look[1]
    return 0 if told is None else len(told.events[0].event.data or b"")


def _refusals(
    uids: Sequence[UUID], stored: Sequence[Appended | AppendRefused]
) -> dict[UUID, str]:
    """Return why the store refused closure events, by their uids."""
    return {
        uid: str(outcome)
        for uid, outcome in zip(uids, stored, strict=True)
        if isinstance(outcome, AppendRefused)
    }


def _after_append(
    found: Found, told: StreamAppend | None, refused: Mapping[UUID, str]
) -> Found:
    """Return what to write about a run: a run whose event was refused is not announced."""
    reason = refused.get(told.events[0].event.uid) if told else None
    return found if reason is None else replace(found, state="lost", reason=reason)
