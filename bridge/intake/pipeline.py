"""``fetch → decode → match → record → ack``: the way of an event into the house.

`judge` decides over one delivery and is pure. `Intake` is the loop around it: what was
fetched together is recorded together, in one commit, and acknowledged after it. There is
one place where acknowledgements are sent.
"""

import traceback
from collections.abc import Callable, Sequence

import structlog
from typing_extensions import override

from bridge.cloudevents import decode
from bridge.config import IntakeSettings
from bridge.errors import DecodeError, NotConnected, SourceMissing
from bridge.intake.consumer import Consumer, Delivery
from bridge.intake.recording import Accepted, Judged, Recorder, Undecodable
from bridge.routes.table import RouteTable
from bridge.services import TaskService
from eventstore.errors import Unavailable

log = structlog.get_logger(__name__)

_FETCH_SECONDS = 1.0
_PAUSE_SECONDS = 0.5


def judge(routes: RouteTable, delivery: Delivery) -> Judged:
    """Decode a delivery and plan what it leads to. Pure, and never raises."""
    try:
        event = decode(delivery.headers, delivery.payload)
    except DecodeError as error:
        return Undecodable(delivery, error.code, str(error))
    return Accepted(delivery, event, tuple(routes.plan(delivery.topic, event)))


class Intake(TaskService):
    """Takes in one source, batch by batch, until stopped.

    Args:
        consumer: The source.
        recorder: Writes event, plan and dead letters in one commit.
        routes: What events lead to.
        settings: Batch size and the bound on open dispatches.
        on_recorded: Called after each commit that planned something, to wake dispatch.
        open_dispatches: Asked before each fetch; intake waits while there are too many.
    """

    def __init__(
        self,
        consumer: Consumer,
        recorder: Recorder,
        routes: RouteTable,
        settings: IntakeSettings,
        *,
        on_recorded: Callable[[int], None],
        open_dispatches: Callable[[], int],
    ) -> None:
        super().__init__("intake")
        self._consumer = consumer
        self._recorder = recorder
        self._routes = routes
        self._settings = settings
        self._on_recorded = on_recorded
        self._open_dispatches = open_dispatches
        self._held_back = False

    @override
    async def run(self) -> None:
        """Take in batches until stopped."""
        self.ready()
        try:
            while not self.stopping.is_set():
                if self._must_wait():
                    await self.pause(_PAUSE_SECONDS)
                    continue
                deliveries = await self._fetch()
                if deliveries:
                    await self._take_in(deliveries)
        finally:
            await self._consumer.close()

    async def _fetch(self) -> Sequence[Delivery]:
        try:
            return await self._consumer.next(self._settings.batch, _FETCH_SECONDS)
        except SourceMissing as error:
            log.error("intake.source_missing", stream=self._settings.stream, error=str(error))
            await self.pause(_PAUSE_SECONDS)
        except NotConnected as error:
            log.warning("intake.not_connected", error=str(error))
            await self.pause(_PAUSE_SECONDS)
        return ()

    async def _take_in(self, deliveries: Sequence[Delivery]) -> None:
        judged = [judge(self._routes, delivery) for delivery in deliveries]
        try:
            planned = await self._record(judged)
        except Unavailable:
            # Stopping without a database: nothing was acknowledged, all of it comes again.
            return
        await self._consumer.ack(deliveries)
        if planned:
            self._on_recorded(planned)

    async def _record(self, judged: Sequence[Judged]) -> int:
        while True:
            try:
                return await self._recorder.record(judged)
            except Unavailable as error:
                # Whether the commit happened or not: recording again gives the same rows.
                log.warning("intake.store_unavailable", error=str(error), held=len(judged))
                if self.stopping.is_set():
                    raise
                await self.pause(_PAUSE_SECONDS)
            except Exception as error:
                log.exception("intake.not_recordable", deliveries=len(judged))
                return await self._isolate(judged, error)

    async def _isolate(self, judged: Sequence[Judged], error: Exception) -> int:
        """Find the one delivery that cannot be recorded and set it aside, with its bytes."""
        if len(judged) > 1:
            half = len(judged) // 2
            return await self._record(judged[:half]) + await self._record(judged[half:])
        match judged[0]:
            case Accepted(delivery=delivery):
                text = "".join(traceback.format_exception(error))
                return await self._record([Undecodable(delivery, "unexplained", text)])
            case Undecodable():
                # Not even its bytes can be kept. Going on would lose it.
                raise error

    def _must_wait(self) -> bool:
        backlog = self._open_dispatches()
        too_many = backlog >= self._settings.max_open_dispatches
        if too_many != self._held_back:
            self._held_back = too_many
            log.warning(
                "intake.held_back" if too_many else "intake.goes_on",
                open_dispatches=backlog,
                bound=self._settings.max_open_dispatches,
            )
        return too_many
