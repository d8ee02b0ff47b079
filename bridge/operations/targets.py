"""The workflow that a route means, and what follows when it is closed or not there yet.

================  =========================================================================
``when_missing``  what happens to the dispatch
================  =========================================================================
dead-letter       a dead letter, to be redriven when the target is there (the default)
drop              skipped, and recorded as that
wait              it waits until the target is there, up to ``wait_for``; then a dead letter
start             (signals) the workflow is started, and signalled in the same step
================  =========================================================================

A dispatch that waits holds what comes after it in its lane and goes to the same target, so that
the order is kept. It never holds what starts that target. When the bridge starts the target, in
whatever lane or daemon, the waiting dispatch becomes due in the commit that records the start
(``settle_dispatches.sql``). A workflow that something else starts is found by polling, every
30 seconds at the latest.

``when_closed`` is the old name of the key and means the same.

A target that is closed *now* may have been open when an earlier attempt reached it, whose
answer was lost: the signal itself may have closed it. So before any of this, the closed run's
history is asked (`delivered_before`).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal, Self

import msgspec
from msgspec.structs import replace
from pydantic import ConfigDict, model_validator

from bridge.cel import EventScope
from bridge.lifecycle.backoff import backoff
from bridge.operations.base import Dispatch, SpecModel
from bridge.operations.calls import CallError, Run, Temporal
from bridge.operations.fields import Duration, TextExpression
from bridge.operations.outcomes import Outcome

WhenMissing = Literal["dead-letter", "drop", "wait", "start"]

OLD_NAME = "when_closed"
"""The former name of ``when_missing``, which routes files may still use."""
DEFAULT_WAIT_SECONDS = 86_400.0
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 30.0
_CLOCK_SKEW = timedelta(minutes=10)
"""By how much Temporal's clock may be behind the database's."""


def _with_old_name(schema: dict[str, Any]) -> None:
    """Let an editor accept the old name too, and say that it is old."""
    fields = schema["properties"]
    fields[OLD_NAME] = {
        **fields["when_missing"],
        "title": "When Closed",
        "description": "The old name of when_missing.",
        "deprecated": True,
    }


class TargetFields(SpecModel):
    """Which workflow is meant."""

    model_config = ConfigDict(json_schema_extra=_with_old_name)

    workflow_id: TextExpression
    run_id: TextExpression | None = None
    """CEL: this run and no other. Default, and when empty: the latest."""
    when_missing: WhenMissing = "dead-letter"
    """What happens when the workflow is closed or not there yet."""
    wait_for: Duration | None = None
    """With ``when_missing: wait``: how long, before it becomes a dead letter. Default 24h."""

    @model_validator(mode="before")
    @classmethod
    def _old_name(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or OLD_NAME not in value:
            return value
        if "when_missing" in value:
            raise ValueError(f"{OLD_NAME} is the old name of when_missing: give one of the two")
        return {"when_missing" if key == OLD_NAME else key: each for key, each in value.items()}

    @model_validator(mode="after")
    def _wait_for_needs_wait(self) -> Self:
        if self.wait_for is not None and self.when_missing != "wait":
            raise ValueError("wait_for needs when_missing: wait")
        return self


class UnstartedTargetFields(TargetFields):
    """Which workflow is meant by an operation that does not start one."""

    when_missing: Literal["dead-letter", "drop", "wait"] = "dead-letter"
    """What happens when the workflow is closed or not there yet."""


class PlannedTarget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the route says about its target, as the dispatch's row keeps it."""

    run_id: str = ""
    when_missing: WhenMissing = "dead-letter"
    wait_for: float | None = None
    """Seconds, with ``wait``."""


def plan_target(spec: TargetFields, scope: EventScope) -> tuple[str, PlannedTarget]:
    """Return the workflow id, and the rest of the target.

    Raises:
        ExpressionError: An expression fails on this event.
    """
    return scope.text(spec.workflow_id), PlannedTarget(
        run_id="" if spec.run_id is None else scope.text(spec.run_id),
        when_missing=spec.when_missing,
        wait_for=(spec.wait_for or DEFAULT_WAIT_SECONDS)
        if spec.when_missing == "wait"
        else None,
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
    """Return what the route says about a dispatch whose target is unknown or closed."""
    which = f"run {target.run_id} of the workflow" if target.run_id else "the workflow"
    error = f"{which} {dispatch.target!r} is unknown or closed"
    match target.when_missing:
        case "drop":
            return Outcome(state="skipped", code="target-closed", error=error)
        case "wait":
            return Outcome(
                state="waiting",
                code="target-closed",
                error=error,
                pause=waiting_pause(dispatch.attempts),
            )
        case "dead-letter" | "start":
            return Outcome(state="dead", code="target-closed", error=error)


def closed_meanwhile(dispatch: Dispatch, target: PlannedTarget) -> Outcome:
    """Return what becomes of a dispatch whose execution was resolved, and has closed by itself.

    There is nothing to wait for then: the next execution would be another than was meant.
    """
    if target.when_missing == "wait":
        target = replace(target, when_missing="dead-letter")
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
