"""The intake loop: ``fetch → decode → match → record → ack``.

`bridge.intake.decision` decides about each delivery. `Intake` is the loop around it: deliveries
fetched together are recorded together, in one commit, and acknowledged after it. Acknowledgements
are sent in one place.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import Protocol

import structlog
from typing_extensions import override

from bridge.dispatch.dispatchers import Windows, have_room
from bridge.dispatch.handover import Fresh
from bridge.dispatch.partitions import partition_of
from bridge.errors import AttachError, NotConnected, SourceMissing
from bridge.intake.batch_recorder import BatchRecorder
from bridge.intake.consumer import Consumer, Delivery
from bridge.intake.decision import Accepted, Judge, Judged
from bridge.intake.lag import Lag
from bridge.intake.observation import described
from bridge.intake.recorder import Recorder
from bridge.lifecycle.crash_points import fault
from bridge.lifecycle.leadership import Leadership
from bridge.lifecycle.services import TaskService
from bridge.operations.base import Backlog
from bridge.pauses import HELD_BY_NOTHING, HeldNow
from bridge.settings.schema import IntakeSettings, SourceSettings
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.errors import Unavailable
from eventstore.leases import Lease

log = structlog.get_logger(__name__)


class Downstream(Protocol):
    """The dispatch side, as intake sees it."""

    @property
    def backlog(self) -> Backlog:
        """The open dispatches."""
        ...

    def window(self) -> Windows:
        """Return what `hand_over` needs; called before a recording begins."""
        ...

    def hand_over(
        self,
        windows: Windows,
        planned: int,
        fresh: Sequence[Fresh],
        partitions: Collection[int],
    ) -> None:
        """Hand over dispatches that were recorded. Never waits.

        Args:
            windows: Of this recording.
            planned: The number of all of them.
            fresh: Those whose keys had nothing open or waiting, if a window has room.
            partitions: The partitions of all of them.
        """
        ...


_FETCH_SECONDS = 1.0
_PAUSE_SECONDS = 0.5
_REFUSED_SECONDS = 2.0

_REMOVED_STEP = "these messages expired or were deleted before they were recorded; 'ntbridge verify' lists them"
_MAYBE_REMOVED_STEP = (
    "these messages expired or were deleted before the source had read past them, and some may have "
    "been on its subject; 'ntbridge verify' lists the range"
)


class Intake(TaskService):
    """Takes in one source, batch by batch, while this daemon leads it.

    Args:
        consumer: Fetches from the source.
        recorder: Writes event, plan and dead letters in one commit.
        leadership: One daemon fetches a source at a time, so that positions follow the stream.
        judge: Decodes deliveries and plans their dispatches.
        settings: Batch size and limits.
        dispatch: Gets what each commit planned; intake waits while too many are open.
        telemetry: Receives counts of deliveries and verdicts.
        paused: The sources that are paused.
    """

    def __init__(
        self,
        consumer: Consumer,
        recorder: Recorder,
        leadership: Leadership,
        judge: Judge,
        settings: IntakeSettings,
        dispatch: Downstream,
        telemetry: Telemetry = NO_TELEMETRY,
        paused: HeldNow = HELD_BY_NOTHING,
    ) -> None:
        source = consumer.source
        super().__init__(f"intake {source.name}")
        self._paused = paused
        self._source = source
        self._consumer = consumer
        self._recorder = recorder
        self._leadership = leadership
        self._judge = judge
        self._settings = settings
        self._dispatch = dispatch
        self._telemetry = telemetry
        self._batches = BatchRecorder(source, recorder, telemetry, self._wait_out)
        self._held_back = False
        self._leads = False
        self._said = ""
        """The last logged reason why it is not attached."""

    @property
    def source(self) -> SourceSettings:
        """The source."""
        return self._source

    @property
    def leads(self) -> bool:
        """Whether this daemon leads the source, and so fetches from it."""
        return self._leads

    @property
    def attach_problem(self) -> AttachError | SourceMissing | None:
        """Why this daemon, which leads the source, cannot read it; None if nothing is known."""
        return self._consumer.problem

    @property
    def held_back(self) -> bool:
        """Whether it waits because too many dispatches are open."""
        return self._held_back

    async def lag(self) -> Lag | None:
        """Return how far behind its source this daemon is; None while it does not lead there.

        Raises one of `CLIENT_FAULTS` when NATS does not answer.
        """
        return await self._consumer.lag()

    @override
    async def run(self) -> None:
        """Take in batches, whenever this daemon leads the source, until stopped."""
        self.ready()
        # Initialise the counter, so that the first increment shows in its rate.
        self._telemetry.removed(self._source.name, 0)
        await self._leadership.run(self._lead, self.stopping)

    async def _lead(self, lease: Lease) -> None:
        self._leads = True
        try:
            while not self.stopping.is_set():
                if self._is_paused():
                    # Without a pull, and not attached: after the pause the consumer is reset to
                    # what is recorded, so what it had delivered comes again.
                    await self._consumer.close()
                    self.problem = None
                    await self.pause(_PAUSE_SECONDS)
                    continue
                if self._must_wait():
                    await self.pause(_PAUSE_SECONDS)
                    continue
                deliveries = await self._fetch(lease)
                if deliveries:
                    await self._take_in(deliveries, lease)
        finally:
            self._leads, self.problem = False, None
            await self._consumer.close()

    async def _fetch(self, lease: Lease) -> Sequence[Delivery]:
        try:
            deliveries = await self._consumer.next(self._settings.batch, _FETCH_SECONDS, lease)
        except (SourceMissing, AttachError) as error:
            self.problem = str(error)
            self._say_not_attached(error)
            await self.pause(_REFUSED_SECONDS)
        except (NotConnected, Unavailable) as error:
            self.problem = str(error)
            log.warning("intake.not_connected", source=self._source.name, error=str(error))
            await self.pause(_PAUSE_SECONDS)
        else:
            self.problem = None
            self._said = ""
            return deliveries if await self._note_removed(lease) else ()
        return ()

    def _say_not_attached(self, error: SourceMissing | AttachError) -> None:
        if str(error) == self._said:
            return
        self._said = str(error)
        about = {"source": self._source.name, "error": str(error)}
        if isinstance(error, AttachError):
            log.error("intake.not_attached", **about, next_step=error.to_do)
        else:
            log.error("intake.source_missing", **about)

    async def _note_removed(self, lease: Lease) -> bool:
        """Store messages that left the stream unrecorded, before the deliveries after them.

        Return False if intake stopped before that.
        """
        for removed in self._consumer.take_removed():
            added = None
            while added is None:
                try:
                    added = await self._recorder.note_removed(self._source, removed, lease)
                except Unavailable as error:
                    log.warning("intake.store_unavailable", error=str(error), held=0)
                    if self.stopping.is_set():
                        return False
                    await self.pause(_PAUSE_SECONDS)
            if added:
                self._telemetry.removed(self._source.name, added)
                log.error(
                    "intake.messages_removed",
                    source=self._source.name,
                    first=removed.first,
                    through=removed.through,
                    next_step=_REMOVED_STEP
                    if self._source.subject is None
                    else _MAYBE_REMOVED_STEP,
                )
        return True

    async def _take_in(self, deliveries: Sequence[Delivery], lease: Lease) -> None:
        """Judge and record deliveries, and further batches while enough are buffered.

        While one batch is recorded the next is judged. Batches are recorded one after another: a
        skipped batch would be lost, and positions follow the stream.
        """
        judged = await self._judge_all(deliveries)
        recorded: Sequence[Delivery] = ()
        while deliveries:
            recording = asyncio.create_task(self._record(judged, lease))
            try:
                await self._ack(recorded)
                recorded = deliveries
                deliveries = await self._ahead(lease)
                judged = await self._judge_all(deliveries)
                done = await recording
            except BaseException:
                recording.cancel()
                # Retrieve its exception, so that asyncio does not report it as unhandled.
                await asyncio.gather(recording, return_exceptions=True)
                raise
            if not done:
                return
        await self._ack(recorded)

    async def _record(self, judged: Sequence[Judged], lease: Lease) -> bool:
        """Record a batch and hand its plan to dispatch; return False if intake stopped before."""
        windows = self._dispatch.window()
        planned = await self._batches.record(judged, lease, fresh=have_room(windows))
        if planned is None:
            return False
        fault("intake.after-commit")
        if planned.number:
            self._dispatch.hand_over(
                windows, planned.number, planned.fresh, _partitions(judged)
            )
        return True

    async def _ack(self, recorded: Sequence[Delivery]) -> None:
        if recorded:
            await self._consumer.ack(recorded)
            fault("intake.acked")

    async def _ahead(self, lease: Lease) -> Sequence[Delivery]:
        if self.stopping.is_set() or self._is_paused() or self._must_wait():
            return ()
        deliveries = await self._consumer.ahead(self._settings.batch, lease.epoch)
        return deliveries if await self._note_removed(lease) else ()

    async def _judge_all(self, deliveries: Sequence[Delivery]) -> list[Judged]:
        """Decode and match a batch with one version of the routes; other tasks run in between."""
        if not deliveries:
            return []
        fault("intake.fetched")
        self._telemetry.received(self._source.name, len(deliveries))
        judged = await self._judge.judge_all(deliveries)
        fault("intake.matched")
        if log.is_enabled_for(logging.DEBUG):
            for each in judged:
                log.debug("intake.judged", **described(each))
        return judged

    async def _wait_out(self, error: Unavailable, held: int) -> None:
        """Wait a little before a batch is recorded again; raise the error when stopping."""
        self.problem = str(error)
        log.warning("intake.store_unavailable", error=str(error), held=held)
        if self.stopping.is_set():
            raise error
        await self.pause(_PAUSE_SECONDS)

    def _is_paused(self) -> bool:
        """Return whether the source is paused, or nothing is known of pauses yet."""
        held = self._paused.held
        return held is None or self._source.name in held.sources

    def _must_wait(self) -> bool:
        backlog, settings = self._dispatch.backlog, self._settings
        too_many = (
            backlog.dispatches >= settings.max_open_dispatches
            or backlog.bytes >= settings.max_open_bytes
        )
        if too_many != self._held_back:
            self._held_back = too_many
            log.warning(
                "intake.held_back" if too_many else "intake.resumed",
                open_dispatches=backlog.dispatches,
                most=settings.max_open_dispatches,
                open_bytes=backlog.bytes,
                most_bytes=settings.max_open_bytes,
            )
        return too_many


def _partitions(judged: Sequence[Judged]) -> set[int]:
    return {
        partition_of(dispatch.key)
        for each in judged
        if isinstance(each, Accepted)
        for dispatch in each.plan
    }
