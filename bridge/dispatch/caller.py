"""`Caller`: the part of dispatch that calls Temporal, within the limits of the gate and of the routes.

An item is called only while its partition is held under the lease under which it was taken, and its
route is not paused. What a route's limits hold back waits here, and does not hold up other routes.
"""

import asyncio
import contextvars
from collections import Counter, deque
from collections.abc import Callable, Mapping
from math import inf
from time import perf_counter

import structlog
from structlog.contextvars import bind_contextvars

from bridge.dispatch.gate import Gate
from bridge.dispatch.queue import Called, NotCalled, Queue, Ready
from bridge.dispatch.throttle import Group, Throttle
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.services import rest
from bridge.operations.outcomes import Outcome
from bridge.pauses import HeldNow
from bridge.telemetry import Telemetry
from eventstore.leases import Lease

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
"""How often to look at the limits without an event."""


class _Parked:
    """What a limit holds back, in order, and when to ask the limit again."""

    __slots__ = ("again_at", "items")

    def __init__(self, now: float, wait: float) -> None:
        self.items: deque[Ready] = deque()
        self.again_at = 0.0
        self.waits(now, wait)

    def waits(self, now: float, wait: float) -> None:
        # A limit of calls at one time is asked again when a call has ended.
        self.again_at = now if wait == inf else now + min(wait, _LOOK_SECONDS)

    def is_due(self, now: float) -> bool:
        return now >= self.again_at


class Caller:
    """Calls what is ready, and passes the outcomes on. For one dispatcher.

    Args:
        gate: Says how many calls may start, and makes them.
        throttle: The limits of single routes.
        holds: Returns whether a lease is still held.
        paused: The routes that are paused.
        telemetry: Records attempts.
        ready: What may be called.
        answers: Where outcomes go.
        wake: Set when something is ready.
    """

    def __init__(
        self,
        gate: Gate,
        throttle: Throttle,
        holds: Callable[[Lease], bool],
        paused: HeldNow,
        telemetry: Telemetry,
        ready: Queue[Ready],
        answers: Queue[Called | NotCalled],
        wake: asyncio.Event,
    ) -> None:
        self._gate = gate
        self._throttle = throttle
        self._holds = holds
        self._paused = paused
        self._telemetry = telemetry
        self._ready = ready
        self._answers = answers
        self._wake = wake
        self._parked: dict[Group, _Parked] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._finishing = False
        self._context = contextvars.copy_context()

    @property
    def in_flight(self) -> int:
        """Number of calls in progress."""
        return len(self._calls)

    @property
    def held_back(self) -> Mapping[str, int]:
        """Number of ready dispatches that limits of their routes hold back, by route."""
        counts: Counter[str] = Counter()
        for group, parked in self._parked.items():
            counts[group.route] += len(parked.items)
        return counts

    async def run(self) -> None:
        """Begin calls until cancelled; `finish` or `abandon` ends those in flight."""
        # Each call gets a copy of this context, not of that of the call before it.
        self._context = contextvars.copy_context()
        while True:
            self._wake.clear()
            await rest(self._wake, self._begin())

    async def finish(self) -> None:
        """Begin no more calls; return when those in flight have ended."""
        self._finishing = True
        if self._calls:
            await asyncio.wait(self._calls)

    def abandon(self) -> None:
        """Cancel the calls in flight."""
        for call in self._calls:
            call.cancel()

    def _begin(self) -> float:
        """Begin all calls that may start now; return the seconds after which to look again."""
        self._gate.give_up_long_look()
        self._give_back_paused()
        now = asyncio.get_running_loop().time()
        again = self._begin_parked(now)
        while self._ready and self._gate.room > 0:
            item = self._ready.read()
            if not self._is_wanted(item):
                continue
            group = self._throttle.group(item.dispatch.route, item.dispatch.key)
            parked = self._parked.get(group)
            wait = self._admit(item, group) if parked is None else inf
            if wait > 0:
                if parked is None:
                    parked = self._parked[group] = _Parked(now, wait)
                    again = min(again, wait)
                parked.items.append(item)
            else:
                self._start(item)
        if not self._ready:
            # Lanes wait for the next commit: nothing else can be called meanwhile.
            self._answers.complete.set()
        else:
            self._answers.complete.clear()
        return min(again, self._gate.opens_in or _LOOK_SECONDS, _LOOK_SECONDS)

    def _begin_parked(self, now: float) -> float:
        """Begin what routes' limits held back and now admit; it was ready before the others."""
        again = inf
        for group, parked in list(self._parked.items()):
            if not parked.is_due(now):
                again = min(again, parked.again_at - now)
                continue
            waiting = parked.items
            while waiting and self._gate.room > 0:
                if self._holds(waiting[0].lease):
                    wait = self._admit(waiting[0], group)
                    if wait > 0:
                        again = min(again, wait)
                        parked.waits(now, wait)
                        break
                    self._start(waiting.popleft())
                else:
                    self._ready.release(waiting.popleft())
            if not waiting:
                del self._parked[group]
        return again

    def _admit(self, item: Ready, group: Group) -> float:
        """Count a call within its route's limits and return 0, or return the seconds to wait."""
        if not self._gate.may_begin(item.dispatch):
            return inf
        now = asyncio.get_running_loop().time()
        return self._throttle.admit(group, now, item.lease.free_since)

    def _is_wanted(self, item: Ready) -> bool:
        """Return whether an item may be called; otherwise it is not called here."""
        if not self._holds(item.lease):
            # Another daemon owns the partition now, or this one took its lanes again.
            self._ready.release(item)
            return False
        held = self._paused.held
        if held is None or item.dispatch.route in held.routes:
            self._give_back(item)
            return False
        return True

    def _give_back_paused(self) -> None:
        held = self._paused.held
        for group in [
            each for each in self._parked if held is None or each.route in held.routes
        ]:
            for item in self._parked.pop(group).items:
                self._give_back(item)

    def _give_back(self, item: Ready) -> None:
        """Send the lane back to the table; it is taken again after the pause."""
        self._ready.release(item)
        self._answers.put(NotCalled(item, inf))

    def _start(self, item: Ready) -> None:
        self._ready.release(item)
        in_flight = self._gate.begin(item.dispatch)
        call = asyncio.create_task(
            self._carry_out(item, in_flight), context=self._context.copy()
        )
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _carry_out(self, item: Ready, in_flight: int) -> None:
        try:
            answer: Called | NotCalled = Called(item, await self._attempt(item, in_flight))
        except Exception:
            # It has no outcome, so its lane is read from the table again.
            log.exception("dispatch.call_failed", route=item.dispatch.route)
            answer = NotCalled(item, backoff(1))
        self._answers.put(answer)
        # In the same turn, so that Temporal gets the next call without a pause.
        if not self._finishing and self._begin() < _LOOK_SECONDS:
            self._wake.set()

    async def _attempt(self, item: Ready, in_flight: int) -> Outcome:
        dispatch, event = item.dispatch, item.event
        began = perf_counter()
        # The variables are bound in this task's context and end with the task.
        bind_contextvars(
            route=dispatch.route, event_uid=str(dispatch.uid), workflow_id=dispatch.target
        )
        with self._telemetry.dispatching(dispatch, event):
            try:
                outcome = await self._gate.carry_out(dispatch, event, in_flight)
            finally:
                self._throttle.ended(dispatch.route)
            self._telemetry.called(dispatch, outcome, perf_counter() - began)
        return outcome
