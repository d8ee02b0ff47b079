"""The target workflow of a route, and what happens when it is closed or does not exist yet.

================  =========================================================================
``when_missing``  what happens to the dispatch
================  =========================================================================
dead-letter       a dead letter, to be redriven when the target exists (the default)
drop              skipped, and recorded as skipped
wait              waits until the target exists, up to ``wait_for``; then a dead letter
start             (signals) the workflow is started and signalled atomically
================  =========================================================================

A waiting dispatch blocks later dispatches of its lane to the same target, to keep the order. It never
blocks a dispatch that starts that target. When the bridge starts the target, in any lane or daemon,
the waiting dispatch becomes due in the commit that records the start (``migrations/0012_settling.sql``).
A workflow that another program starts is found by polling, at least every 30 seconds.

``when_closed`` is the old name of the key and means the same.

A target that is closed *now* may have been open when an earlier attempt reached it and the response
was lost: the signal may have closed it. Therefore the closed run's history is searched first
(`delivered_before`).
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
_MAX_WAIT_SECONDS = 30.0
CLOCK_SKEW = timedelta(minutes=10)
"""Maximum lag of Temporal's clock behind the database's."""


def _with_old_name(schema: dict[str, Any]) -> None:
    """Add the old name, as deprecated, to the JSON schema."""
    fields = schema["properties"]
    fields[OLD_NAME] = {
        **fields["when_missing"],
        "title": "When Closed",
        "description": "The old name of when_missing.",
        "deprecated": True,
    }


class TargetFields(SpecModel):
    """The target workflow."""

    model_config = ConfigDict(json_schema_extra=_with_old_name)

    workflow_id: TextExpression
    run_id: TextExpression | None = None
    """CEL: only this run. Default, and when empty: the latest run."""
    when_missing: WhenMissing = "dead-letter"
    """What happens when the workflow is closed or not there yet."""
    wait_for: Duration | None = None
    """With ``when_missing: wait``: how long to wait before the dead letter. Default 24h."""

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
    """The target workflow of an operation that does not start one."""

    when_missing: Literal["dead-letter", "drop", "wait"] = "dead-letter"
    """What happens when the workflow is closed or not there yet."""


class PlannedTarget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The planned target, as stored in the dispatch's row."""

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
    """Return the target run, None when Temporal does not know it.

    For a run that has continued as new, return the latest run of its chain.
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
    """Return the latest run of an execution, given its first run.

    When another execution now has the workflow id, return that first run.
    """
    latest = await find(temporal, workflow_id)
    if latest is None or latest.first_run_id == first_run_id:
        return latest
    return await find(temporal, workflow_id, first_run_id)


async def delivered_before(
    temporal: Temporal, dispatch: Dispatch, run_id: str
) -> Outcome | None:
    """Check a target that refused a signal or update because it is unknown or closed.

    Returns:
        The outcome, when an earlier attempt had reached the run, or when the target is open now;
        ``None`` when the target is gone.
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
        dispatch.target, run.run_id, dispatch.request_id, dispatch.planned_at - CLOCK_SKEW
    ):
        return Outcome(state="done", run_id=run.run_id)
    return None


def closed(dispatch: Dispatch, target: PlannedTarget) -> Outcome:
    """Return the outcome for an unknown or closed target, by the route's ``when_missing``."""
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
    """Return the outcome for a resolved execution that has closed on its own.

    The dispatch does not wait: the next execution of the workflow id is not its target.
    """
    if target.when_missing == "wait":
        target = replace(target, when_missing="dead-letter")
    return closed(dispatch, target)


def waiting_pause(attempts: int) -> float:
    """Return the seconds until the next check for a target: from 1, doubling, up to 30."""
    return float(min(_FIRST_WAIT_SECONDS * 2.0 ** min(attempts, 16), _MAX_WAIT_SECONDS))


async def resolve(temporal: Temporal, dispatch: Dispatch, target: PlannedTarget) -> Outcome:
    """Find the execution to end; its id is stored before it is ended.

    The id is the first run of the chain: a later run may have continued as new meanwhile, and the
    latest run of the workflow id may belong to another execution.
    """
    run = await find(temporal, dispatch.target, target.run_id)
    if run is None or not run.is_open:
        return closed(dispatch, target)
    return Outcome(state="open", code="resolved", run_id=run.first_run_id)
