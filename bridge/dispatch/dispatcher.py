"""``take → call → settle``: from the plan to Temporal.

Three steps run concurrently, so that calls continue while rows are read and written: dispatches are
*taken* into lanes in advance, heads of lanes are *called* within the limits of the pace and of their
routes, and outcomes are *settled* in groups. A lane advances when its head is settled.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from time import perf_counter

import structlog
from structlog.contextvars import bind_contextvars
from typing_extensions import override

from bridge.dispatch.caller import Caller
from bridge.dispatch.dataref import DatarefReader
from bridge.dispatch.lanes import Lanes
from bridge.dispatch.ledger import Ledger, Settlement
from bridge.dispatch.ownership import Ownership
from bridge.dispatch.pace import Pace
from bridge.dispatch.prefetch import AT_ONCE, Fetcher, size_of
from bridge.dispatch.settler import Settler
from bridge.dispatch.taker import POLL_SECONDS, Taker
from bridge.dispatch.throttle import Throttle
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.services import TaskService, part_name
from bridge.operations.base import Backlog, Dispatch
from bridge.operations.calls import Temporal
from bridge.pauses import HELD_BY_NOTHING, HeldNow
from bridge.routes.model import Route
from bridge.settings.schema import DispatchSettings
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.errors import Unavailable
from eventstore.events import StoredEvent

log = structlog.get_logger(__name__)

_AHEAD = 4
"""Number of dispatches to prepare for each one in flight."""
_MAX_READY_BYTES = 64 * 2**20
"""Maximum size of prepared events; one fetch may exceed it."""


class Dispatcher(TaskService):
    """Carries out due dispatches of one namespace and this daemon's partitions, until stopped.

    Args:
        ledger: The namespace's dispatches.
        ownership: The partitions that this daemon holds.
        temporal: Makes the calls.
        settings: The limits of the pace.
        routes: Returns a current route by its name, for its limits.
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
        routes: Callable[[str], Route | None],
        telemetry: Telemetry = NO_TELEMETRY,
        paused: HeldNow = HELD_BY_NOTHING,
        data: DatarefReader | None = None,
    ) -> None:
        super().__init__(part_name("dispatch", ledger.namespace))
        self._paused = paused
        self._ledger = ledger
        self._telemetry = telemetry
        self._lanes = Lanes()
        self._fetcher = Fetcher(ledger)
        self.pace = Pace(settings.in_flight, settings.least_in_flight, settings.most_in_flight)
        self._caller = Caller(temporal, self.pace, data)
        self._throttle = Throttle(routes)
        self.ownership = ownership
        ownership.add(self)
        self._parked: dict[str, deque[tuple[Dispatch, StoredEvent]]] = defaultdict(deque)
        self._taker = Taker(
            ledger, self._lanes, lambda: self.ownership.active, self._parked, paused
        )
        self._settler = Settler(ledger, self.ownership, self._on_settled)
        self._callable: deque[tuple[Dispatch, StoredEvent]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._work = asyncio.Event()
        self._ready_bytes = 0
        self.backlog = Backlog(0, 0)
        """The namespace's open dispatches, of all partitions: the last count plus those announced since."""

    @property
    def in_flight(self) -> int:
        """Number of calls in progress."""
        return len(self._calls)

    @property
    def namespace(self) -> str:
        """The namespace, as plans call it."""
        return self._ledger.namespace

    @property
    def is_answered(self) -> bool:
        """Whether Temporal has answered one of the last calls."""
        return self._caller.is_answered

    def in_hand(self, partition: int) -> int:
        """Return how many dispatches of a partition are in memory."""
        return self._lanes.count(partition)

    def wake(self, planned: int = 0) -> None:
        """Take dispatches at once: some were planned or are due."""
        self.backlog = self.backlog._replace(dispatches=self.backlog.dispatches + planned)
        self._taker.look_again()
        self._work.set()

    @override
    async def run(self) -> None:
        """Take, call and settle until stopped; then finish the calls in flight."""
        await self._count()
        beside = {
            asyncio.create_task(self._settler.run(), name="dispatch settle"),
            asyncio.create_task(self._keep_count(), name="dispatch count"),
        }
        try:
            self.ready()
            while not self.stopping.is_set():
                self._work.clear()
                progress = 0
                try:
                    progress = await self._take() + await self._make_ready()
                    self.problem = None
                except Unavailable as error:
                    self.problem = str(error)
                    log.warning("dispatch.store_unavailable", error=str(error))
                    await self.pause(backoff(1))
                self._call()
                if not progress or self._callable or not self._caller.room:
                    await self._rest(beside)
            if self._calls:
                await asyncio.wait(self._calls)
            await self._settler.finish()
        finally:
            for task in beside | self._calls:
                task.cancel()

    async def _take(self) -> int:
        """Fill lanes unless enough dispatches are ready; return how many were taken."""
        if len(self._callable) >= self.pace.limit * _AHEAD:
            return 0
        taken = await self._taker.take()
        self._fetcher.expect(taken)
        return len(taken)

    async def _make_ready(self) -> int:
        """Fetch the events of the next heads of lanes; return the number of heads."""
        heads: list[Dispatch] = []
        room = self.pace.limit * _AHEAD - len(self._callable)
        if self._ready_bytes >= _MAX_READY_BYTES:
            room = 0
        while len(heads) < min(room, AT_ONCE):
            head = self._lanes.next()
            if head is None:
                break
            heads.append(head)
        if not heads:
            return 0
        try:
            events = await self._fetcher.events(heads)
        except Unavailable:
            for head in heads:
                self._lanes.put_back(head)
            raise
        self._callable.extend(zip(heads, events, strict=True))
        self._ready_bytes += sum(size_of(event) for event in events)
        return len(heads)

    def _call(self) -> None:
        now, held = asyncio.get_running_loop().time(), self._paused.held
        self._unpark()
        self._caller.give_up_long_look()
        while self._callable and self._caller.room > 0:
            dispatch, event = self._callable.popleft()
            if dispatch not in self._lanes:
                self._ready_bytes -= size_of(event)
                continue
            if held is None or dispatch.route in held.routes:
                # The whole lane goes back to the table, and is taken again after the pause.
                self._ready_bytes -= size_of(event)
                self._taker.drop(dispatch.key)
                continue
            may_begin = self._caller.may_begin(dispatch)
            wait = self._throttle.admit(dispatch.route, now) if may_begin else inf
            if wait > 0:
                self._parked[dispatch.route].append((dispatch, event))
                self._wake_in(wait)
                continue
            self._ready_bytes -= size_of(event)
            in_flight = self._caller.begin(dispatch)
            call = asyncio.create_task(self._carry_out(dispatch, event, in_flight))
            self._calls.add(call)
            call.add_done_callback(partial(self._called, dispatch))
        if self._caller.opens_in:
            self._wake_in(self._caller.opens_in)
        self._settler.waited_for(not self._callable)

    def _unpark(self) -> None:
        """Put dispatches that their routes' limits held back at the front again."""
        for name in list(self._parked):
            self._callable.extendleft(reversed(self._parked.pop(name)))

    def _called(self, dispatch: Dispatch, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and (error := call.exception()) is not None:
            # It will not be settled, so its lane is read from the table again.
            log.error("dispatch.call_failed", route=dispatch.route, exc_info=error)
            self._taker.drop(dispatch.key)
            self._wake_in(backoff(1))
        if not self.stopping.is_set():
            self._call()
        self._work.set()

    async def _carry_out(self, dispatch: Dispatch, event: StoredEvent, in_flight: int) -> None:
        began = perf_counter()
        # The variables are bound in this task's context and end with the task.
        bind_contextvars(
            route=dispatch.route, event_uid=str(dispatch.uid), workflow_id=dispatch.target
        )
        with self._telemetry.dispatching(dispatch, event):
            try:
                outcome = await self._caller.carry_out(dispatch, event, in_flight)
            finally:
                self._throttle.ended(dispatch.route)
            self._telemetry.called(dispatch, outcome, perf_counter() - began)
        self._settler.submit(Settlement(dispatch, outcome, event))

    def _on_settled(self, group: Sequence[Settlement], woken: int) -> None:
        self._telemetry.settled([(each.dispatch, each.outcome) for each in group])
        for settlement in group:
            outcome = settlement.outcome
            if outcome.state in ("open", "waiting"):
                # The whole lane stays in the table until its head is due.
                self._taker.drop(settlement.dispatch.key)
                self._wake_in(outcome.pause)
            else:
                self._lanes.settle(settlement.dispatch)
        if woken:
            self._taker.look_again()
        closed = sum(each.outcome.state not in ("open", "waiting") for each in group)
        self.backlog = self.backlog._replace(
            dispatches=max(0, self.backlog.dispatches - closed)
        )
        self._work.set()

    def partitions_changed(self, gained: set[int], lost: set[int]) -> None:
        """Take from these partitions from now on, and no more from those."""
        for number in lost:
            self._lanes.drop_partition(number)
        if lost:
            # If the partition is acquired again, its heads are read again.
            self._unpark()
            self._callable = deque(each for each in self._callable if each[0] in self._lanes)
            self._ready_bytes = sum(size_of(event) for _, event in self._callable)
        if gained:
            self.wake()

    def _wake_in(self, seconds: float) -> None:
        if seconds <= 0:
            self.wake()
        elif seconds < POLL_SECONDS:
            asyncio.get_running_loop().call_later(seconds, self.wake)

    async def _rest(self, beside: set[asyncio.Task[None]]) -> None:
        work = asyncio.create_task(self._work.wait())
        stopping = asyncio.create_task(self.stopping.wait())
        try:
            done, _ = await asyncio.wait(
                {work, stopping, *beside},
                timeout=POLL_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            work.cancel()
            stopping.cancel()
        for task in done & beside:
            task.result()
        if not done:
            self._taker.look_again()

    async def _keep_count(self) -> None:
        """Count open dispatches periodically, concurrently with the calls."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self._count()

    async def _count(self) -> None:
        try:
            self.backlog = await self._ledger.backlog()
        except Unavailable as error:
            log.warning("dispatch.store_unavailable", error=str(error))
