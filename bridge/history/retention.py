"""Retention: delete settled dispatches and old deliveries after a configured time.

Retention deletes the record of what happened to events. The events stay, and with them their
uids: a repeat is recognised by its event, however long ago its dispatch was deleted, and plans
nothing. Retention never deletes what a later decision needs: unsettled dispatches, dispatches
with an open dead letter or with several generations, the last delivery of each stream, and
deliveries of events that were emitted here. Runs whose closure event is stored are deleted with
the dispatches.

The tables are walked in small batches, oldest first, with pauses, so that nothing else has to
wait. No extra index is needed: both walks follow primary keys, which grow with time. A walk ends
where all rows are younger; the next begins after the retention time, at most after an hour. Several
daemons may do this at the same time: a row that one has deleted, the other does not find.
"""

from datetime import UTC, datetime, timedelta

import structlog
from typing_extensions import override

from bridge.lifecycle.services import TaskService
from bridge.settings.schema import RetentionSettings
from bridge.sql import STATEMENTS
from eventstore.database import Database, Row
from eventstore.errors import Unavailable

log = structlog.get_logger(__name__)

_BATCH = 500
_BATCH_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 3600.0
_RETRY_SECONDS = 60.0
_LAST_SEQUENCE = 2**63 - 1
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class Retention(TaskService):
    """Deletes old rows until stopped; does nothing where no retention time is set."""

    def __init__(self, database: Database, settings: RetentionSettings) -> None:
        super().__init__("retention")
        self._database = database
        self._settings = settings
        ages = (settings.dispatches, settings.deliveries)
        self._every = min((_MAX_PAUSE_SECONDS, *(age for age in ages if age is not None)))

    @override
    async def run(self) -> None:
        """Sweep and pause, again and again until stopped."""
        self.ready()
        while not self.stopping.is_set():
            try:
                await self.sweep()
                self.problem = None
            except Unavailable as error:
                self.problem = str(error)
                log.warning("retention.store_unavailable", error=str(error))
            await self.pause(min(self._every, _RETRY_SECONDS) if self.problem else self._every)

    async def sweep(self) -> None:
        """Delete the rows that are old enough now; stop early when the service stops.

        Raises:
            Unavailable: The database cannot be reached; the next sweep continues.
        """
        now: datetime = await self._database.fetchval(STATEMENTS["now"])
        dispatches = deliveries = 0
        if self._settings.dispatches is not None:
            before = now - timedelta(seconds=self._settings.dispatches)
            dispatches = await self._sweep_dispatches(before)
            await self._sweep_runs(before)
        if self._settings.deliveries is not None:
            before = now - timedelta(seconds=self._settings.deliveries)
            deliveries = await self._sweep_deliveries(before)
        if dispatches or deliveries:
            log.info("retention.removed", dispatches=dispatches, deliveries=deliveries)

    async def _sweep_dispatches(self, before: datetime) -> int:
        after, removed = 0, 0
        while not self.stopping.is_set():
            row = await self._step("remove_settled_dispatches", after, before, _BATCH)
            if row is None or not row["looked"]:
                break
            removed += row["removed"]
            if row["all_younger"]:
                break
            after = row["last"]
            await self.pause(_BATCH_PAUSE_SECONDS)
        return removed

    async def _sweep_runs(self, before: datetime) -> None:
        while not self.stopping.is_set():
            row = await self._step("remove_ended_runs", before, _BATCH)
            if row is None or row["count"] < _BATCH:
                break
            await self.pause(_BATCH_PAUSE_SECONDS)

    async def _sweep_deliveries(self, before: datetime) -> int:
        stream, created, sequence, removed = "", _LONG_AGO, 0, 0
        while not self.stopping.is_set():
            row = await self._step(
                "remove_old_deliveries", stream, created, sequence, before, _BATCH
            )
            if row is None:
                break
            removed += row["removed"]
            stream, created, sequence = row["stream"], row["stream_created"], row["sequence"]
            if row["rest_is_younger"]:
                # On to the next stream.
                sequence = _LAST_SEQUENCE
            await self.pause(_BATCH_PAUSE_SECONDS)
        return removed

    async def _step(self, statement: str, *args: object) -> Row | None:
        return await self._database.fetchrow(STATEMENTS[statement], *args)
