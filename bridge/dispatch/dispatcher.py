"""``take → call → settle``: from the plan to Temporal.

Three parts run concurrently, so that calls continue while rows are read and written: dispatches are
*taken* into lanes in advance, heads of lanes are *called* within the limits of the pace and of their
routes, and outcomes are *settled* in groups. A lane advances when its head is settled. Between each two
parts is one queue (`bridge.dispatch.queue`); they share nothing else.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from typing_extensions import override

from bridge.dispatch.caller import Caller
from bridge.dispatch.dataref import DatarefReader
from bridge.dispatch.gate import Gate, is_patient
from bridge.dispatch.handover import Fresh, Window
from bridge.dispatch.ledger import Ledger, OpenCount
from bridge.dispatch.ownership import Ownership
from bridge.dispatch.pace import Pace
from bridge.dispatch.queue import Called, NotCalled, Queue, Ready, Settled
from bridge.dispatch.settler import Settler
from bridge.dispatch.taker import Taker
from bridge.dispatch.throttle import Throttle
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.services import TaskService, part_name
from bridge.operations.base import Backlog, Dispatch
from bridge.operations.calls import Temporal
from bridge.pauses import HELD_BY_NOTHING, HeldNow
from bridge.settings.schema import DispatchSettings
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.errors import Unavailable

log = structlog.get_logger(__name__)

_AHEAD = 4
"""Number of dispatches to prepare for each one in flight."""


class Dispatcher(TaskService):
    """Carries out due dispatches of one namespace and this daemon's partitions, until stopped.

    Args:
        ledger: The namespace's dispatches.
        ownership: The partitions that this daemon holds.
        temporal: Makes the calls.
        settings: The limits of the pace.
        throttle: The limits of routes.
        telemetry: Records attempts and outcomes.
        paused: The routes that are paused.
        data: Fetches the data that events name by ``dataref``; default: from nowhere.
    """

    def __init__(
        self,
        ledger: Ledger,
        ownership: Ownership,
        temporal: Temporal,
        settings: DispatchSettings,
        throttle: Throttle,
        telemetry: Telemetry = NO_TELEMETRY,
        paused: HeldNow = HELD_BY_NOTHING,
        data: DatarefReader | None = None,
    ) -> None:
        super().__init__(part_name("dispatch", ledger.namespace))
        self._ledger = ledger
        self._open = OpenCount(ledger)
        self.ownership = ownership
        ownership.add(self)
        self.pace = Pace(settings.in_flight, settings.least_in_flight, settings.most_in_flight)
        self._gate = Gate(temporal, self.pace, data)
        take, call, settle = asyncio.Event(), asyncio.Event(), asyncio.Event()
        throttle.add(call.set)
        self._wake_take = take
        ready = Queue[Ready](
            call, take, lambda: self.pace.limit * _AHEAD, lambda each: each.bytes
        )
        answers = Queue[Called | NotCalled](settle)
        settled = Queue[Settled](take)

        def is_limited(dispatch: Dispatch) -> bool:
            return is_patient(dispatch) or throttle.limits(dispatch.route)

        self._taker = Taker(
            ledger, lambda: ownership.active, paused, is_limited, ready, settled, take
        )
        self._caller = Caller(
            self._gate, throttle, ownership.holds, paused, telemetry, ready, answers, call
        )
        self._settler = Settler(
            ledger, ownership, telemetry, self._open, answers, settled, settle
        )

    @property
    def in_flight(self) -> int:
        """Number of calls in progress."""
        return self._caller.in_flight

    @property
    def held_back(self) -> Mapping[str, int]:
        """Number of prepared dispatches that limits of their routes hold back, by route."""
        return self._caller.held_back

    @property
    def namespace(self) -> str:
        """The namespace, as plans call it."""
        return self._ledger.namespace

    @property
    def is_answered(self) -> bool:
        """Whether Temporal has answered one of the last calls."""
        return self._gate.is_answered

    @property
    def backlog(self) -> Backlog:
        """The namespace's open dispatches, of all partitions: the last count, kept up to date here."""
        return self._open.backlog

    def in_hand(self, partition: int) -> int:
        """Return how many dispatches of a partition are in memory."""
        return self._taker.in_hand(partition)

    def window(self) -> Window:
        """Return a window for a recording that is about to begin; see `hand_over`."""
        return self._taker.window()

    def hand_over(self, window: Window, fresh: Sequence[Fresh]) -> None:
        """Take dispatches that were just recorded, from memory where that is safe."""
        self._taker.hand_over(window, fresh)

    def wake(self, planned: int = 0) -> None:
        """Take dispatches from the table at once: some were planned or are due."""
        self.count(planned)
        self._taker.look_again()

    def count(self, planned: int) -> None:
        """Count dispatches that were planned."""
        self._open.planned(planned)

    def partitions_changed(self, gained: set[int], lost: set[int]) -> None:
        """Take from these partitions from now on, and no more from those."""
        if lost:
            self._taker.lose(lost)
        if gained:
            self._taker.look_again()

    @override
    async def run(self) -> None:
        """Take, call and settle until stopped; then finish the calls in flight."""
        await self._open.refresh()
        take = asyncio.create_task(self._take(), name="dispatch take")
        call = asyncio.create_task(self._caller.run(), name="dispatch call")
        settle = asyncio.create_task(self._settler.run(), name="dispatch settle")
        count = asyncio.create_task(self._open.run(), name="dispatch count")
        stopping = asyncio.create_task(self.stopping.wait())
        parts = {take, call, settle, count}
        try:
            self.ready()
            done, _ = await asyncio.wait(
                {stopping, *parts}, return_when=asyncio.FIRST_COMPLETED
            )
            for part in done & parts:
                part.result()
            call.cancel()
            self._wake_take.set()
            await asyncio.gather(take, self._caller.finish())
            await self._settler.finish()
        finally:
            self._caller.abandon()
            for task in {stopping, *parts}:
                task.cancel()

    async def _take(self) -> None:
        while not self.stopping.is_set():
            try:
                more = await self._taker.step()
                self.problem = None
            except Unavailable as error:
                self.problem = str(error)
                log.warning("dispatch.store_unavailable", error=str(error))
                await self.pause(backoff(1))
            else:
                if not more:
                    await self._taker.wait()
