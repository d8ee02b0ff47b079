"""`Gate`: how many calls to Temporal may start now, and what each call's answer means.

The gate limits calls to the pace, and closes while Temporal is unreachable.
"""

import asyncio
import traceback
from datetime import datetime, timedelta
from time import perf_counter

import structlog
from msgspec.structs import replace

from bridge.dispatch.dataref import DatarefReader
from bridge.dispatch.pace import Pace
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.crash_points import fault
from bridge.operations import OPERATIONS
from bridge.operations.base import Dispatch
from bridge.operations.calls import CallError, Temporal
from bridge.operations.fetching import fetches
from bridge.operations.outcomes import Outcome, after_failure
from bridge.settings.dataref import DatarefSettings
from eventstore.events import StoredEvent

# When retries end. Pure.

_UNEXPLAINED_ATTEMPTS = 5


def give_up_in_time(outcome: Outcome, dispatch: Dispatch, now: datetime) -> Outcome:
    """Turn an outcome that would be retried into a dead one when its limit is reached.

    The route's ``give_up_after`` limits failures; a rate limit is not a failure. Unexpected exceptions
    end after a few attempts. A wait ends at its deadline.
    """
    if outcome.state == "waiting":
        over = dispatch.waiting_until is not None and now >= dispatch.waiting_until
        return replace(outcome, state="dead", code="waited-in-vain") if over else outcome
    slowed = outcome.limited or outcome.code == "rate-limited"
    if outcome.state != "open" or outcome.error is None or slowed:
        return outcome
    attempts = dispatch.attempts + 1
    too_often = dispatch.give_up_attempts is not None and attempts >= dispatch.give_up_attempts
    too_long = dispatch.give_up_seconds is not None and (
        now - dispatch.planned_at >= timedelta(seconds=dispatch.give_up_seconds)
    )
    quarantined = outcome.code == "unexplained" and attempts >= _UNEXPLAINED_ATTEMPTS
    if too_often or too_long or quarantined:
        return replace(outcome, state="dead")
    return outcome


log = structlog.get_logger(__name__)

_FAILURES_TO_CLOSE = 3
_MAX_PATIENT = 64
_LIMITED_SECONDS = 0.2
_WORKFLOWS_OWN = {
    "rejected": "the workflow rejected the update; its message is in the dead letter",
    "update-failed": "the update's handler failed; its message is in the dead letter",
}
_MAX_SILENT_SECONDS = 0.5
"""Seconds without an answer after which a measurement of single calls ends, so that others start."""


class Gate:
    """Admits calls up to the pace's limit, and carries them out.

    Args:
        temporal: Makes the calls.
        pace: Adapts the limit to the calls' durations.
        data: Fetches the data that events name by ``dataref``; default: from nowhere.
    """

    def __init__(
        self, temporal: Temporal, pace: Pace, data: DatarefReader | None = None
    ) -> None:
        self._temporal = temporal
        self._data = data or DatarefReader(DatarefSettings())
        self._pace = pace
        self._in_flight = 0
        self._patient = 0
        self._unreachable = 0
        self._unanswered = 0
        self._closed_until = 0.0
        self._heard_at = 0.0

    @property
    def is_answered(self) -> bool:
        """Whether Temporal has answered one of the last calls, or none was made."""
        return self._unanswered < _FAILURES_TO_CLOSE

    @property
    def room(self) -> int:
        """How many calls may start now: 0 while the gate is closed, 1 to probe it."""
        if asyncio.get_running_loop().time() < self._closed_until:
            return 0
        limit = 1 if self._unreachable >= _FAILURES_TO_CLOSE else self._pace.limit
        return max(0, limit - self._in_flight)

    def give_up_long_look(self) -> None:
        """End a measurement of single calls when the last answer was too long ago."""
        silent = asyncio.get_running_loop().time() - self._heard_at
        if self._pace.looking and self._in_flight and silent > _MAX_SILENT_SECONDS:
            self._pace.end_look()

    def may_begin(self, dispatch: Dispatch) -> bool:
        """Return whether this call may start, if there is room.

        The duration of a call that waits for a workflow depends on that workflow, not on Temporal's
        load. Such calls have their own limit and do not count against the others'.
        """
        return not is_patient(dispatch) or self._patient < _MAX_PATIENT

    def begin(self, dispatch: Dispatch) -> int:
        """Count a call before its task runs, so that the limit holds for the next one.

        Returns:
            The number in flight including it, for `carry_out`, which removes it from the count.
        """
        if is_patient(dispatch):
            self._patient += 1
            return self._patient
        if not self._in_flight:
            self._heard_at = asyncio.get_running_loop().time()
        self._in_flight += 1
        return self._in_flight

    @property
    def opens_in(self) -> float:
        """Seconds until the gate opens, 0 when it is open."""
        return max(0.0, self._closed_until - asyncio.get_running_loop().time())

    async def carry_out(
        self, dispatch: Dispatch, event: StoredEvent, in_flight: int
    ) -> Outcome:
        """Make a call that was counted; return its outcome, also for every exception."""
        try:
            if is_patient(dispatch):
                outcome = await self._wait(dispatch, event)
            else:
                outcome = await self._call(dispatch, event, in_flight)
        except Exception as error:  # noqa: BLE001 - a bug must not stop the other events
            outcome = Outcome(
                state="open",
                code="unexplained",
                error=f"{type(error).__name__}: {error}",
                traceback="".join(traceback.format_exception(error)),
                pause=backoff(dispatch.attempts + 1),
            )
        outcome = give_up_in_time(outcome, dispatch, dispatch.now)
        if outcome.error is not None:
            _explain(dispatch, outcome)
        return outcome

    async def _call(self, dispatch: Dispatch, event: StoredEvent, in_flight: int) -> Outcome:
        began = perf_counter()  # finer than the event loop's clock
        try:
            outcome = await self._outcome(dispatch, event)
        finally:
            self._in_flight -= 1
            self._heard_at = asyncio.get_running_loop().time()
        self._unanswered = self._unanswered + 1 if outcome.unanswered else 0
        if self._reached(outcome):
            self._pace.answered(perf_counter() - began, in_flight)
        return outcome

    async def _wait(self, dispatch: Dispatch, event: StoredEvent) -> Outcome:
        try:
            outcome = await self._outcome(dispatch, event)
        finally:
            self._patient -= 1
        self._reached(outcome)
        return outcome

    async def _outcome(self, dispatch: Dispatch, event: StoredEvent) -> Outcome:
        if event.removal is not None and dispatch.members:
            event = dispatch.members[-1].event  # the last one that is left of its window
        if event.removal is not None:  # planned while its body was being removed
            return Outcome(
                state="dead",
                code="event-removed",
                error="the data of the event was removed from the store before it was dispatched: "
                "'ntbridge explain' says when and why",
            )
        try:
            operation = OPERATIONS[dispatch.operation]
            async with self._data.filled(dispatch, event) as filled:
                fault("dispatch.before-call")
                outcome = await operation.carry_out(self._temporal, dispatch, filled)
            fault("dispatch.resolved" if outcome.code == "resolved" else "dispatch.after-call")
        except CallError as error:
            return after_failure(error, dispatch.attempts + 1)
        return outcome

    def _reached(self, outcome: Outcome) -> bool:
        """Close or open the gate; return whether Temporal was reached and set no limit."""
        now = asyncio.get_running_loop().time()
        if outcome.limited:
            self._pace.exceeded()
            self._closed_until = now + _LIMITED_SECONDS
        elif outcome.unreachable:
            self._unreachable += 1
            if self._unreachable >= _FAILURES_TO_CLOSE:
                self._closed_until = now + backoff(self._unreachable - _FAILURES_TO_CLOSE + 1)
        else:
            self._unreachable = 0
            return True
        return False


def is_patient(dispatch: Dispatch) -> bool:
    """Return whether the call may wait for a workflow, or for the server of the event's data."""
    operation = OPERATIONS.get(dispatch.operation)
    return operation is not None and (operation.waits_for_workflow or fetches(dispatch.call))


def _explain(dispatch: Dispatch, outcome: Outcome) -> None:
    # A dispatch that waits for its target is polled; one warning is enough.
    again = outcome.state == "waiting" and dispatch.waiting_until is not None
    (log.debug if again else log.warning)(
        "dispatch.failed" if outcome.state in ("open", "dead") else f"dispatch.{outcome.state}",
        route=dispatch.route,
        event_uid=str(dispatch.uid),
        workflow_id=dispatch.target,
        state=outcome.state,
        code=outcome.code,
        # A workflow's own message may quote the event: only the dispatch and its dead letter have it.
        error=_WORKFLOWS_OWN.get(outcome.code or "", outcome.error),
        attempt=dispatch.attempts + 1,
        next_try_in=round(outcome.pause, 1) if outcome.pause else None,
    )
