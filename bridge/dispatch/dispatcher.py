"""``take → call → settle``: from the plan to Temporal.

Calls are kept flowing while rows are read and written: dispatches are taken ahead of need,
and what became of them is settled in groups, one commit at a time, whatever has come in
since the last one going into the next.
"""

import asyncio
import traceback
from collections import deque

import structlog
from typing_extensions import override

from bridge.calls import CallError, Temporal
from bridge.config import DispatchSettings
from bridge.dispatch.ledger import Ledger, Settlement
from bridge.operations import OPERATIONS
from bridge.operations.base import Dispatch
from bridge.outcomes import Outcome, after_failure, backoff
from bridge.services import TaskService
from eventstore.errors import Unavailable
from eventstore.events import StoredEvent

log = structlog.get_logger(__name__)

_POLL_SECONDS = 1.0
_AHEAD = 4
"""How many dispatches are taken for each one in flight."""
_UNEXPLAINED_ATTEMPTS = 5


class Dispatcher(TaskService):
    """Dispatches what is open until stopped, a fixed number of calls at a time."""

    def __init__(self, ledger: Ledger, temporal: Temporal, settings: DispatchSettings) -> None:
        super().__init__("dispatch")
        self._ledger = ledger
        self._temporal = temporal
        self._settings = settings
        self._work = asyncio.Event()
        self._settled = asyncio.Event()
        self._waiting: deque[tuple[Dispatch, StoredEvent]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._in_hand: set[int] = set()
        self._to_settle: list[Settlement] = []
        self.open = 0
        """How many dispatches are open, as last counted and announced."""

    def wake(self, planned: int) -> None:
        """Tell that dispatches were planned, so that they are taken at once."""
        self.open += planned
        self._work.set()

    @override
    async def run(self) -> None:
        """Take, call and settle until stopped; what is in flight is finished first."""
        settler = asyncio.create_task(self._settle_groups(), name="dispatch settle")
        try:
            await self._count()
            self.ready()
            while not self.stopping.is_set():
                self._work.clear()
                await self._take()
                self._call()
                await self._rest(settler)
            self._waiting.clear()
            if self._calls:
                await asyncio.wait(self._calls)
            await self._flush()
        finally:
            settler.cancel()
            for call in self._calls:
                call.cancel()

    async def _take(self) -> None:
        wanted = self._settings.in_flight * _AHEAD
        if len(self._waiting) > wanted // 2:
            return
        try:
            taken = await self._ledger.take(self._in_hand, wanted)
        except Unavailable as error:
            log.warning("dispatch.store_unavailable", error=str(error))
            await self.pause(backoff(1))
            return
        self._waiting.extend(taken)
        self._in_hand.update(dispatch.id for dispatch, _ in taken)
        if len(taken) == wanted:
            self._work.set()

    def _call(self) -> None:
        while self._waiting and len(self._calls) < self._settings.in_flight:
            dispatch, event = self._waiting.popleft()
            call = asyncio.create_task(self._carry_out(dispatch, event))
            self._calls.add(call)
            call.add_done_callback(self._called)

    def _called(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._call()
        self._work.set()

    async def _carry_out(self, dispatch: Dispatch, event: StoredEvent) -> None:
        try:
            operation = OPERATIONS[dispatch.operation]
            outcome = await operation.carry_out(self._temporal, dispatch, event)
        except CallError as error:
            outcome = after_failure(error, dispatch.attempts + 1)
        except Exception as error:  # noqa: BLE001 - our own bug must not stop the other events
            outcome = _unexplained(dispatch, error)
        if outcome.error is not None:
            log.warning(
                "dispatch.failed",
                route=dispatch.route,
                event_uid=str(dispatch.uid),
                workflow_id=dispatch.target,
                state=outcome.state,
                code=outcome.code,
                error=outcome.error,
                attempt=dispatch.attempts + 1,
                next_try_in=outcome.pause or None,
            )
        self._to_settle.append(Settlement(dispatch, outcome, event))
        self._settled.set()

    async def _settle_groups(self) -> None:
        while True:
            await self._settled.wait()
            self._settled.clear()
            await self._flush()

    async def _flush(self) -> None:
        group, self._to_settle = self._to_settle, []
        if not group:
            return
        while True:
            try:
                await self._ledger.settle(group)
                break
            except Unavailable as error:
                log.warning("dispatch.not_settled", error=str(error), dispatches=len(group))
                if self.stopping.is_set():
                    # Still open: the same request ids will find the same runs.
                    return
                await self.pause(backoff(1))
        self._in_hand.difference_update(each.dispatch.id for each in group)
        self.open -= sum(each.outcome.state != "open" for each in group)
        self._work.set()

    async def _rest(self, settler: asyncio.Task[None]) -> None:
        work = asyncio.create_task(self._work.wait())
        stopping = asyncio.create_task(self.stopping.wait())
        try:
            done, _ = await asyncio.wait(
                {work, stopping, settler},
                timeout=_POLL_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            work.cancel()
            stopping.cancel()
        if settler in done:
            settler.result()
        if not done:
            await self._count()

    async def _count(self) -> None:
        try:
            self.open = (await self._ledger.backlog()).open
        except Unavailable as error:
            log.warning("dispatch.store_unavailable", error=str(error))


def _unexplained(dispatch: Dispatch, error: Exception) -> Outcome:
    attempts = dispatch.attempts + 1
    text = "".join(traceback.format_exception(error))
    if attempts >= _UNEXPLAINED_ATTEMPTS:
        return Outcome(state="dead", code="unexplained", error=text)
    return Outcome(state="open", code="unexplained", error=text, pause=backoff(attempts))
