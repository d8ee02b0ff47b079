"""The workflow that a route means, and what follows when it is unknown or closed.

===============  ==========================================================================
``when_closed``  what becomes of the dispatch
===============  ==========================================================================
dead-letter      a dead letter, to be redriven when the target is there (the default)
drop             skipped, and recorded as that
wait             its lane waits for the target, up to ``wait_for``; then a dead letter
start            (signals) the workflow is started, and signalled in the same step
===============  ==========================================================================

A target that is closed *now* may have been open when an earlier attempt reached it, whose
answer was lost: the signal itself may have closed it. So before any of this, the closed run's
history is asked (`delivered_before`).
"""

from datetime import timedelta
from typing import Literal, Self

import msgspec
from msgspec.structs import replace
from pydantic import model_validator

from bridge.calls import CallError, Run, Temporal
from bridge.expressions import EventScope
from bridge.operations.base import Dispatch, SpecModel
from bridge.operations.fields import Duration, TextExpression
from bridge.outcomes import Outcome, backoff

WhenClosed = Literal["dead-letter", "drop", "wait", "start"]

DEFAULT_WAIT_SECONDS = 86_400.0
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 30.0
_CLOCK_SKEW = timedelta(minutes=10)
"""By how much Temporal's clock may be behind the database's."""


class TargetFields(SpecModel):
    """Which workflow is meant."""

    workflow_id: TextExpression
    run_id: TextExpression | None = None
    """CEL: this run and no other. Default, and when empty: the latest."""
    when_closed: WhenClosed = "dead-letter"
    wait_for: Duration | None = None
    """With ``when_closed: wait``: how long, before it becomes a dead letter. Default 24h."""

    @model_validator(mode="after")
    def _wait_for_needs_wait(self) -> Self:
        if self.wait_for is not None and self.when_closed != "wait":
            raise ValueError("wait_for needs when_closed: wait")
        return self


class UnstartedTargetFields(TargetFields):
    """Which workflow is meant by an operation that does not start one."""

    when_closed: Literal["dead-letter", "drop", "wait"] = "dead-letter"


class PlannedTarget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the route says about its target, as the dispatch's row keeps it."""

    run_id: str = ""
    when_closed: WhenClosed = "dead-letter"
    wait_for: float = DEFAULT_WAIT_SECONDS


def plan_target(spec: TargetFields, scope: EventScope) -> tuple[str, PlannedTarget]:
    """Return the workflow id, and the rest of the target.

    Raises:
        ExpressionError: An expression fails on this event.
    """
    return scope.text(spec.workflow_id), PlannedTarget(
        run_id="" if spec.run_id is None else scope.text(spec.run_id),
        when_closed=spec.when_closed,
        wait_for=spec.wait_for or DEFAULT_WAIT_SECONDS,
    )


async def find(temporal: Temporal, workflow_id: str, run_id: str = "") -> Run | None:
    """Return the run that is meant, None when Temporal does not know it.

    A run that has continued as new stands for the latest of its chain.
    """
    try:
        run = await temporal.describe(workflow_id, run_id)
        if run.status == "continued-as-new":
            latest = await temporal.describe(workflow_id)
            run = latest if latest.first_run_id == run.first_run_id else run
    except CallError as error:
        if error.target_gone:
            return None
        raise
    return run


async def find_execution(temporal: Temporal, workflow_id: str, first_run_id: str) -> Run | None:
    """Return the latest run of an execution that is known by its first one.

    When another execution has taken over the workflow id, that first run itself.
    """
    latest = await find(temporal, workflow_id)
    if latest is None or latest.first_run_id == first_run_id:
        return latest
    return await find(temporal, workflow_id, first_run_id)


async def delivered_before(
    temporal: Temporal, dispatch: Dispatch, run_id: str
) -> Outcome | None:
    """Judge a target that did not take a signal or update because it is unknown or closed.

    Returns:
        What became of the dispatch, when an earlier attempt had reached the run, or when the
        target is open again after all; else ``None``: the target is gone.
    """
    try:
        run = await temporal.describe(dispatch.target, run_id)
    except CallError as error:
        if error.target_gone:
            return None
        raise
    if run.is_open:
        return Outcome(
            state="open",
            code="transient",
            error="the target was closed, and is open now",
            pause=backoff(dispatch.attempts + 1),
        )
    if await temporal.received(
        dispatch.target, run.run_id, dispatch.request_id, dispatch.planned_at - _CLOCK_SKEW
    ):
        return Outcome(state="done", run_id=run.run_id)
    return None


def closed(dispatch: Dispatch, target: PlannedTarget) -> Outcome:
    """Return what the route wants to become of a dispatch whose target is unknown or closed."""
    which = f"run {target.run_id} of the workflow" if target.run_id else "the workflow"
    error = f"{which} {dispatch.target!r} is unknown or closed"
    match target.when_closed:
        case "drop":
            return Outcome(state="skipped", code="target-closed", error=error)
        case "wait":
            return Outcome(
                state="waiting",
                code="target-closed",
                error=error,
                pause=min(waiting_pause(dispatch.attempts), target.wait_for),
                wait_for=target.wait_for,
            )
        case "dead-letter" | "start":
            return Outcome(state="dead", code="target-closed", error=error)


def closed_meanwhile(dispatch: Dispatch, target: PlannedTarget) -> Outcome:
    """Return what becomes of a dispatch whose execution was resolved, and has closed by itself.

    There is nothing to wait for then: the next execution would be another than was meant.
    """
    if target.when_closed == "wait":
        target = replace(target, when_closed="dead-letter")
    return closed(dispatch, target)


def waiting_pause(attempts: int) -> float:
    """Return the seconds until a target is looked for again: from 1, doubling, to 30."""
    return float(min(_FIRST_WAIT_SECONDS * 2.0 ** min(attempts, 16), _LONGEST_WAIT_SECONDS))


async def resolve(temporal: Temporal, dispatch: Dispatch, target: PlannedTarget) -> Outcome:
    """Find the execution that is to be ended, to be stored before it is.

    What is stored is the first run of the chain: ending a run that has continued as new
    meanwhile would end nothing, and ending the workflow id's latest could end another's.
    """
    run = await find(temporal, dispatch.target, target.run_id)
    if run is None or not run.is_open:
        return closed(dispatch, target)
    return Outcome(state="open", code="resolved", run_id=run.first_run_id)
