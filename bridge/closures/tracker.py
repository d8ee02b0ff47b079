"""``check → append → settle``: a result event for the end of every run that a route started.

Every run gets a closure event (`bridge.closures.event`), whatever the workflow's language and
however it ended. A workflow that is terminated or times out cannot emit an event itself; Temporal
knows its end.

**The sweep is the authority.** The commit that settles a start also inserts the run
(``migrations/0012_settling.sql``). The sweep checks such a run repeatedly, less often as it gets older, until
it has ended: restarts lose nothing, and nothing depends on a notification. **Visibility is the fast
path**: runs that Temporal lists as recently closed are checked at once. The list may lag, omit or
repeat runs; it only decides what to check first.

**The end of the chain.** A run that was retried, continued as new, reset or followed by the next run
of its schedule is a link of a chain. The chain is followed to its last run, and has one event.

**Exactly one event.** Events and the rows that settle the runs are one commit, under a lease: a daemon
that was suspended and lost its lease cannot commit. The event id is derived from run and status, so a
repeated append changes nothing.

=======================================  ================================================
state of the run                         what follows
=======================================  ================================================
open                                     another check, later
closed, with a successor                 a check of the successor
closed, without a successor              the event; state ``announced``
closed, not started by an event          nothing; ``foreign`` (found by a signal-with-start)
unknown to Temporal                      ``lost``, with the reason, and a log line: its
                                         retention ended while no daemon was running
Temporal unavailable                     another check, soon
closed, not decodable (a missing key)    another check in a minute, and a log line
=======================================  ================================================
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from time import perf_counter
from uuid import UUID

import structlog
from typing_extensions import override

from bridge.closures.chains import UNAVAILABLE_SECONDS, Chains, Runs
from bridge.closures.event import RunsIn
from bridge.closures.runs import CheckedRun, OpenRun, OpenRuns
from bridge.emit.checking import CallApart
from bridge.emit.identity import EmitIdentity
from bridge.lifecycle.crash_points import fault
from bridge.lifecycle.leadership import Leadership
from bridge.lifecycle.services import TaskService, part_name
from bridge.operations.calls import CallError
from bridge.settings.schema import ClosureSettings
from bridge.sql import in_pieces
from eventstore.appending import Appended
from eventstore.database import Database
from eventstore.errors import AppendRefused, InvalidEvent, Unavailable
from eventstore.leases import Lease
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.5
_MAX_POLL_SECONDS = 3.0
_LISTING_SHARE = 0.025
"""Maximum share of the time in which Temporal lists runs: without an index for the query in its
visibility store, the cost of a list grows with the number of runs."""
_BATCH = 200
"""Maximum number of runs that are checked before the outcomes are written."""
_SWEEP = 5
"""Number of runs in a batch that are not listed as closed; small, to limit the load on Temporal."""
_MAX_LISTED = 20_000
_OVERLAP = timedelta(seconds=10)
"""The list is read again this far back: visibility lags, and clocks differ."""
_MAX_LOOKBACK = timedelta(days=1)
"""A new leader reads the list this far back at most; the sweep finds older runs."""
_UNEXPLAINED_SECONDS = 60.0


def pause_after(took: float) -> float:
    """Return the seconds to wait before the next list, from the seconds the last one took."""
    return min(max(_POLL_SECONDS, took / _LISTING_SHARE), _MAX_POLL_SECONDS)


class Closures(TaskService):
    """Records the closure events of one namespace until stopped.

    Args:
        database: Holds the table of runs.
        store: The event store in the same database.
        runs: Returns how runs ended.
        runs_in: The namespace, and how the events are called.
        settings: The ``closures`` section of the settings.
        work: Reads and checks large results outside the event loop (`Evaluator.work`).
        most: Returns the maximum message size of the results stream in bytes (`MessageLimit`).
        leadership: Lets one daemon at a time record closures.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        runs: Runs,
        runs_in: RunsIn,
        settings: ClosureSettings,
        work: CallApart,
        most: Callable[[], Awaitable[int | None]],
        leadership: Leadership,
    ) -> None:
        super().__init__(part_name("closures", runs_in.known_as))
        self._granted: Callable[[], None] = lambda: None
        self._database = database
        self._store = store
        self._runs = runs
        self._settings = settings
        self._chains = Chains(runs, runs_in, settings, work, most)
        self._leadership = leadership
        self._table = OpenRuns(database, runs_in.known_as)
        self._identity = EmitIdentity(database)
        self._calls = asyncio.Semaphore(settings.in_flight)
        self._reported = False
        self._answers = True

    def wakes(self, granted: Callable[[], None]) -> None:
        """Call a function when dispatches that were queued for a slot became due."""
        self._granted = granted

    @override
    async def run(self) -> None:
        """Record closures whenever this daemon is the leader, until stopped."""
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
                    since = since or max(oldest - _OVERLAP, began - _MAX_LOOKBACK)
                    asked = perf_counter()
                    closed = await self.unless_stopped(self._listed(since))
                    took = perf_counter() - asked
                    more = bool(await self.unless_stopped(self._round(closed or [], lease)))
                if closed is not None and self._answers:
                    self.problem = None
                # Otherwise the same period is listed again: Temporal failed, or there is more.
                if closed is not None and not more:
                    since = began - _OVERLAP
            except Unavailable as error:
                self.problem = str(error)
                log.warning("closures.store_unavailable", error=str(error))
            if not more:
                await self.pause(pause_after(took))

    async def _listed(self, since: datetime) -> list[str] | None:
        """Return the runs listed as closed since then, None when Temporal is unavailable."""
        try:
            return await self._runs.closed_since(since, _MAX_LISTED)
        except CallError as error:
            self._report_unavailable(error)
            return None

    async def _round(self, closed: Sequence[str], lease: Lease) -> bool:
        """Check the due runs and write the outcomes; return whether there are more."""
        due = await self._table.due(closed, _BATCH, _SWEEP)
        self._answers = True
        namespace = await self._identity.namespace()
        checked = await asyncio.gather(*(self._check(run, namespace) for run in due))
        for piece in in_pieces(checked, _size):
            await self._write(piece, lease)
        return len(due) >= _BATCH and self._answers

    async def _check(
        self, run: OpenRun, namespace: UUID
    ) -> tuple[CheckedRun, StreamAppend | None]:
        async with self._calls:
            if not self._answers:
                reason = "Temporal is unavailable"
                return CheckedRun(run, "open", run.latest, reason, UNAVAILABLE_SECONDS), None
            try:
                checked = await self._chains.check(run, namespace)
            except CallError as error:
                return self._check_failed(run, error), None
            except InvalidEvent as error:
                return CheckedRun(
                    run, "lost", run.latest, f"its closure event is invalid: {error}"
                ), None
            except Exception as error:
                # A bug in handling one run must not block the closures of the others.
                log.exception("closures.unexplained", run_id=run.latest)
                return CheckedRun(
                    run, "open", run.latest, repr(error), _UNEXPLAINED_SECONDS
                ), None
            self._reported = False
            return checked

    def _check_failed(self, run: OpenRun, error: CallError) -> CheckedRun:
        if error.misconfigured:
            # Only this run: its payloads need a key, or a codec, that this daemon does not have.
            log.error(
                "closures.not_decoded",
                workflow_id=run.workflow_id,
                run_id=run.latest,
                route=run.route,
                event_uid=str(run.uid),
                error=str(error),
                next_step="add the key to temporal.codec; the run is checked again every minute",
            )
            return CheckedRun(run, "open", run.latest, str(error), _UNEXPLAINED_SECONDS)
        if not error.target_gone:
            self._answers = False
            self._report_unavailable(error)
            return CheckedRun(run, "open", run.latest, str(error), UNAVAILABLE_SECONDS)
        log.error(
            "closures.lost",
            workflow_id=run.workflow_id,
            run_id=run.latest,
            route=run.route,
            event_uid=str(run.uid),
            error=str(error),
            next_step="no closure event is recorded: Temporal no longer knows the run",
        )
        return CheckedRun(run, "lost", run.latest, f"Temporal does not know the run: {error}")

    async def _write(
        self, checked: Sequence[tuple[CheckedRun, StreamAppend | None]], lease: Lease
    ) -> None:
        appends = {append.events[0].event.uid: append for _, append in checked if append}
        async with self._database.transaction() as connection:
            await lease.assert_held(connection)
            stored = await self._store.append_each(
                list(appends.values()), connection=connection
            )
            refused = _refusals(list(appends), stored)
            granted = await self._table.settle(
                connection, [_after_append(found, append, refused) for found, append in checked]
            )
            if appends:
                fault("closures.before-commit")
        if granted:
            fault("slots.granted")
            self._granted()
        if not appends:
            return
        fault("closures.announced")
        self._store.announce()
        for uid, reason in refused.items():
            log.error("closures.refused", event_uid=str(uid), error=reason)
        log.info("closures.announced", runs=len(appends) - len(refused))

    def _report_unavailable(self, error: CallError) -> None:
        self.problem = str(error)
        if not self._reported:
            self._reported = True
            log.warning("closures.temporal_unavailable", error=str(error))


def _size(checked: tuple[CheckedRun, StreamAppend | None]) -> int:
    append = checked[1]
    return 0 if append is None else len(append.events[0].event.data or b"")


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
    found: CheckedRun, append: StreamAppend | None, refused: Mapping[UUID, str]
) -> CheckedRun:
    """Return the outcome to write; a run whose event the store refused becomes ``lost``."""
    reason = refused.get(append.events[0].event.uid) if append else None
    return found if reason is None else replace(found, state="lost", reason=reason)
