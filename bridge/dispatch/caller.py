"""One call: carried out, timed, explained; and the gate that closes while Temporal is away."""

import asyncio
import traceback
from datetime import datetime, timedelta
from time import perf_counter

import structlog
from msgspec.structs import replace

from bridge.dispatch.pace import Pace
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.crash_points import fault
from bridge.operations import OPERATIONS
from bridge.operations.base import Dispatch
from bridge.operations.calls import CallError, Temporal
from bridge.operations.outcomes import Outcome, after_failure
from eventstore.events import StoredEvent

# When trying again has an end. Pure.

_UNEXPLAINED_ATTEMPTS = 5


def give_up_in_time(outcome: Outcome, dispatch: Dispatch, now: datetime) -> Outcome:
    """Turn an outcome that would be tried again into a dead one when its end has come.

    The route's ``give_up_after`` ends what fails; being told to slow down is no failure. A bug
    of ours ends after a few attempts. A wait ends with its time to live.
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
_MOST_PATIENT = 64
_LIMITED_SECONDS = 0.2
_PATIENCE_WITH_LOOKS = 0.5
"""Seconds without an answer, after which others no longer wait while the pace has calls made alone."""


class Caller:
    """Carries dispatches out, as many at a time as `limit` says.

    Args:
        temporal: Makes the calls.
        pace: Learns from how long they take.
    """

    def __init__(self, temporal: Temporal, pace: Pace) -> None:
        self._temporal = temporal
        self._pace = pace
        self._in_flight = 0
        self._patient = 0
        self._unreachable = 0
        self._closed_until = 0.0
        self._heard_at = 0.0

    @property
    def room(self) -> int:
        """How many calls may begin now: none while the gate is closed, one to try it."""
        if asyncio.get_running_loop().time() < self._closed_until:
            return 0
        limit = 1 if self._unreachable >= _FAILURES_TO_CLOSE else self._pace.limit
        return max(0, limit - self._in_flight)

    def give_up_long_look(self) -> None:
        """Let others begin although the pace has calls made alone, when the last answer is long ago."""
        silent = asyncio.get_running_loop().time() - self._heard_at
        if self._pace.looking and self._in_flight and silent > _PATIENCE_WITH_LOOKS:
            self._pace.end_look()

    def may_begin(self, dispatch: Dispatch) -> bool:
        """Tell whether this call may begin, where there is room.

        A call that waits for a workflow takes as long as that pleases. It says nothing about
        what Temporal bears and takes no room of the others; such calls have a bound of their own.
        """
        return not _is_patient(dispatch) or self._patient < _MOST_PATIENT

    def begin(self, dispatch: Dispatch) -> int:
        """Count a call in, before its task runs: the next one to begin has to know of it.

        Returns:
            How many are in flight with it, for `carry_out`, which counts it out.
        """
        if _is_patient(dispatch):
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
        """Make a call that has begun and judge the answer; whatever happens is an outcome."""
        try:
            if _is_patient(dispatch):
                outcome = await self._wait(dispatch, event)
            else:
                outcome = await self._call(dispatch, event, in_flight)
        except Exception as error:  # noqa: BLE001 - our own bug must not stop the other events
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
        began = perf_counter()  # the loop's own clock stands still between two of its rounds
        try:
            outcome = await self._outcome(dispatch, event)
        finally:
            self._in_flight -= 1
            self._heard_at = asyncio.get_running_loop().time()
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
        try:
            operation = OPERATIONS[dispatch.operation]
            fault("dispatch.before-call")
            outcome = await operation.carry_out(self._temporal, dispatch, event)
            fault("dispatch.resolved" if outcome.code == "resolved" else "dispatch.after-call")
        except CallError as error:
            return after_failure(error, dispatch.attempts + 1)
        return outcome

    def _reached(self, outcome: Outcome) -> bool:
        """Close or open the gate; tell whether Temporal answered without complaint."""
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


def _is_patient(dispatch: Dispatch) -> bool:
    operation = OPERATIONS.get(dispatch.operation)
    return operation is not None and operation.waits_for_workflow


def _explain(dispatch: Dispatch, outcome: Outcome) -> None:
    # One that waits for its target is polled; said once is enough.
    again = outcome.state == "waiting" and dispatch.waiting_until is not None
    (log.debug if again else log.warning)(
        "dispatch.failed" if outcome.state in ("open", "dead") else f"dispatch.{outcome.state}",
        route=dispatch.route,
        event_uid=str(dispatch.uid),
        workflow_id=dispatch.target,
        state=outcome.state,
        code=outcome.code,
        error=outcome.error,
        attempt=dispatch.attempts + 1,
        next_try_in=round(outcome.pause, 1) if outcome.pause else None,
    )
