"""`Caller`: the part of dispatch that calls Temporal, within the limits of the gate and of the routes.

An item is called only while its partition is held under the lease under which it was taken, and its
route is not paused. What a route's limits hold back waits here, and does not hold up other routes.
"""

import asyncio
import contextvars
from collections import defaultdict, deque
from collections.abc import Callable
from math import inf
from time import perf_counter

import structlog
from structlog.contextvars import bind_contextvars

from bridge.dispatch.gate import Gate
from bridge.dispatch.queue import Called, NotCalled, Queue, Ready
from bridge.dispatch.throttle import Throttle
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.services import rest
from bridge.operations.outcomes import Outcome
from bridge.pauses import HeldNow
from bridge.telemetry import Telemetry
from eventstore.leases import Lease

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
"""How often to look at the limits without an event."""


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
        self._parked: dict[str, deque[Ready]] = defaultdict(deque)
        self._calls: set[asyncio.Task[None]] = set()
        self._finishing = False
        self._context = contextvars.copy_context()

    @property
    def in_flight(self) -> int:
        """Number of calls in progress."""
        return len(self._calls)

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
        again = self._begin_parked()
        while self._ready and self._gate.room > 0:
            item = self._ready.read()
            if not self._is_wanted(item):
                continue
            name = item.dispatch.route
            wait = inf if self._parked.get(name) else self._admit(item)
            if wait > 0:
                self._parked[name].append(item)
                again = min(again, wait)
            else:
                self._start(item)
        if not self._ready:
            # Lanes wait for the next commit: nothing else can be called meanwhile.
            self._answers.complete.set()
        else:
            self._answers.complete.clear()
        return min(again, self._gate.opens_in or _LOOK_SECONDS, _LOOK_SECONDS)

    def _begin_parked(self) -> float:
        """Begin what routes' limits held back and now admit; it was ready before the others."""
        again = inf
        for name, waiting in list(self._parked.items()):
            while waiting and self._gate.room > 0:
                if self._holds(waiting[0].lease):
                    wait = self._admit(waiting[0])
                    if wait > 0:
                        again = min(again, wait)
                        break
                    self._start(waiting.popleft())
                else:
                    self._ready.release(waiting.popleft())
            if not waiting:
                del self._parked[name]
        return again

    def _admit(self, item: Ready) -> float:
        """Count a call within its route's limits and return 0, or return the seconds to wait."""
        if not self._gate.may_begin(item.dispatch):
            return inf
        return self._throttle.admit(item.dispatch.route, asyncio.get_running_loop().time())

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
        for name in [each for each in self._parked if held is None or each in held.routes]:
            for item in self._parked.pop(name):
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
