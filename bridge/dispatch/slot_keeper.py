"""`SlotKeeper`: cancels the runs whose slots are wanted, and frees the slots that nothing holds.

Slots are granted and freed by the commits that insert and settle dispatches and by those that record the ends of
runs (``0010_slots.sql``). Three things remain, and one daemon at a time does them for a namespace:

- *cancel_running*. The commit that inserts an event's dispatch decides that a run is to be cancelled. This part
  asks Temporal, once: its request id follows from the two dispatches, so that a repeat after a crash is no second
  request. The slot is freed by the closure of the run, whenever that comes: a run may ignore its cancellation.
- *What a console planned* gets its slots a moment later: a console may only insert dispatches.
- *The sweep* frees what two commits that did not see each other left, and grants what is free.
"""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from uuid import UUID, uuid5

import msgspec
import structlog
from typing_extensions import override

from bridge.lifecycle.crash_points import fault
from bridge.lifecycle.leadership import Leadership
from bridge.lifecycle.services import TaskService, part_name
from bridge.operations.calls import CallError, Temporal
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.errors import Unavailable
from eventstore.leases import Lease

log = structlog.get_logger(__name__)

_POLL_SECONDS = 1.0
_SWEEP_SECONDS = 15.0
_AGAIN = timedelta(seconds=10)
"""Until a request that failed is made again."""
_BATCH = 100
_MAX_SWEPT = 1000


class _Unwanted(msgspec.Struct, frozen=True, kw_only=True):
    """A run whose slot is wanted by another dispatch."""

    dispatch: int
    workflow_id: str
    run_id: str
    wanted_by: UUID
    """The request id of the dispatch that wants the slot."""


class SlotKeeper(TaskService):
    """Cancels runs of one namespace, and grants and frees slots, until stopped.

    Args:
        database: Holds the slots.
        temporal: Makes the requests.
        leadership: Lets one daemon at a time do this.
        namespace: The namespace, as plans call it.
        wake: Called when slots were granted: their dispatches are due.
    """

    def __init__(
        self,
        database: Database,
        temporal: Temporal,
        leadership: Leadership,
        namespace: str,
        wake: Callable[[], None],
    ) -> None:
        super().__init__(part_name("slots", namespace))
        self._database = database
        self._temporal = temporal
        self._leadership = leadership
        self._namespace = namespace
        self._wake = wake

    @override
    async def run(self) -> None:
        """Cancel and sweep whenever this daemon is the leader, until stopped."""
        self.ready()
        await self._leadership.run(self._lead, self.stopping)

    async def _lead(self, lease: Lease) -> None:
        swept = -_SWEEP_SECONDS
        while not self.stopping.is_set():
            try:
                if await self._database.fetchval(STATEMENTS["admit_to_slots"]):
                    self._wake()
                await self._cancel_unwanted(lease)
                if monotonic() - swept >= _SWEEP_SECONDS:
                    await self._sweep(lease)
                    swept = monotonic()
                self.problem = None
            except Unavailable as error:
                self.problem = str(error)
                log.warning("slots.store_unavailable", error=str(error))
            await self.pause(_POLL_SECONDS)

    async def _cancel_unwanted(self, lease: Lease) -> None:
        rows = await self._database.fetch(
            STATEMENTS["runs_to_cancel"], self._namespace, _AGAIN, _BATCH
        )
        for row in rows:
            if self.stopping.is_set():
                return
            await self._cancel(_Unwanted(**dict(row)), lease)

    async def _cancel(self, run: _Unwanted, lease: Lease) -> None:
        request = uuid5(run.wanted_by, f"cancel {run.run_id}")
        problem: str | None = None
        fault("slots.before-cancel")
        try:
            # Of signal_with_start, the run may be a later one of its chain.
            found = await self._temporal.describe(run.workflow_id, run.run_id)
            first = found.first_run_id or run.run_id
            await self._temporal.cancel(run.workflow_id, first, request)
        except CallError as error:
            # A run that is gone or closed has or gets a closure, or is lost: its slot is freed by that.
            problem = None if error.target_gone else str(error)
        fault("slots.cancelled")
        async with self._database.transaction() as connection:
            await lease.assert_held(connection)
            await connection.execute(STATEMENTS["note_cancellation"], run.dispatch, problem)
        if problem is None:
            log.info("slots.run_cancelled", workflow_id=run.workflow_id, run_id=run.run_id)
        else:
            log.warning(
                "slots.run_not_cancelled",
                workflow_id=run.workflow_id,
                run_id=run.run_id,
                error=problem,
                next_step="the request is repeated every 10 seconds",
            )

    async def _sweep(self, lease: Lease) -> None:
        async with self._database.transaction() as connection:
            await lease.assert_held(connection)
            row = await connection.fetchrow(STATEMENTS["sweep_slots"], _MAX_SWEPT)
        if row is None or not (row["freed"] or row["granted"]):
            return
        log.info("slots.swept", freed=row["freed"], granted=row["granted"])
        self._wake()
