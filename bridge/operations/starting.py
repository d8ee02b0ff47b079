"""What all operations that start a workflow share: the fields, the plan, the call, the judgement."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec.structs import replace
from pydantic import AfterValidator, Field, model_validator

from bridge.cel import EventScope
from bridge.cloudevents.codec import attributes
from bridge.cloudevents.lineage import memo_of
from bridge.lifecycle.backoff import backoff
from bridge.operations.base import Dispatch, SpecModel
from bridge.operations.calls import (
    Argument,
    CallError,
    PinnedVersion,
    RetryPolicy,
    Run,
    StartCall,
    StartOptions,
    Temporal,
)
from bridge.operations.fields import CompiledExpression, Duration, TextExpression
from bridge.operations.outcomes import Closure, Outcome
from bridge.runtime.strict import (
    MAX_INT32,
    Number,
    TemporalName,
    Truth,
    Whole,
    at_most_bytes,
)
from eventstore.events import StoredEvent

OUR_SEARCH_ATTRIBUTES = ("BridgeRoute", "EventUid", "EventType", "CorrelationId")
OUR_MEMO = ("ce", "bridge")
_NULL = msgspec.Raw(b"null")

_MAX_SUMMARY = 400
_MAX_DETAILS = 20_000
"""Bytes, as Temporal's documentation of user metadata says."""


def _not_ours(*names: str) -> AfterValidator:
    def check(value: Mapping[str, Any]) -> Mapping[str, Any]:
        ours = sorted(set(names) & set(value))
        if ours:
            raise ValueError(f"{', '.join(ours)}: set by the bridge itself")
        return value

    return AfterValidator(check)


class RetryPolicyFields(SpecModel):
    """How Temporal repeats the whole workflow when it fails."""

    initial_interval: Duration = 1.0
    backoff_coefficient: Number = Field(2.0, ge=1, le=1000)
    maximum_interval: Duration | None = None
    maximum_attempts: Whole = Field(0, ge=0, le=MAX_INT32)
    """0: without end."""
    non_retryable_error_types: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _longest_is_not_shorter(self) -> Self:
        # Temporal refuses every start otherwise.
        if self.maximum_interval is not None and self.maximum_interval < self.initial_interval:
            raise ValueError(
                f"maximum_interval ({self.maximum_interval:g} s) must not be less than "
                f"initial_interval ({self.initial_interval:g} s)"
            )
        return self


class PinnedVersionFields(SpecModel):
    """The version of a worker deployment to pin the run to."""

    deployment_name: TemporalName
    build_id: TemporalName


class ClosureFields(SpecModel):
    """The result event on ``results.workflow.…`` by which the bridge tells how a run ended."""

    announce: Truth = True
    result: Truth = True
    """Whether it carries the workflow's result; its failure it always does."""


class StartFields(SpecModel):
    """Which workflow to start, and Temporal's own options for it."""

    workflow: TemporalName
    """The workflow's type."""
    task_queue: TemporalName
    input: CompiledExpression | None = None
    """CEL; default: the event's data."""
    execution_timeout: Duration | None = None
    run_timeout: Duration | None = None
    task_timeout: Duration | None = None
    start_delay: Duration | None = None
    retry_policy: RetryPolicyFields | None = None
    priority_key: Whole | None = Field(None, ge=1, le=MAX_INT32)
    """1 is the most urgent."""
    fairness_key: TextExpression | None = None
    """CEL, at most 64 bytes: runs of different keys (tenants, say) take turns."""
    fairness_weight: Number | None = Field(None, ge=0.001, le=1000)
    search_attributes: Annotated[
        Mapping[str, CompiledExpression], _not_ours(*OUR_SEARCH_ATTRIBUTES)
    ] = Field(default_factory=dict)
    """CEL each; null leaves the attribute unset."""
    memo: Annotated[Mapping[str, CompiledExpression], _not_ours(*OUR_MEMO)] = Field(
        default_factory=dict
    )
    """CEL each."""
    static_summary: Annotated[str, at_most_bytes(_MAX_SUMMARY)] | None = None
    static_details: Annotated[str, at_most_bytes(_MAX_DETAILS)] | None = None
    versioning_override: PinnedVersionFields | Literal["auto-upgrade"] | None = None
    closure: ClosureFields = ClosureFields()

    @model_validator(mode="after")
    def _weight_needs_key(self) -> Self:
        if self.fairness_weight is not None and self.fairness_key is None:
            raise ValueError("fairness_weight needs a fairness_key")
        return self


class PlannedStart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A start as the dispatch's row keeps it."""

    workflow: str
    task_queue: str
    input: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    """JSON, which goes from the row to Temporal unread; unset means the event's data as they are."""
    search_attributes: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    memo: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    options: StartOptions = StartOptions()
    again: bool = False
    """Whether the runs of earlier generations do not count: a replay asked for another one."""
    closure: Closure | Literal["none"] = "full"


def plan_start(spec: StartFields, scope: EventScope, **policies: Any) -> PlannedStart:
    """Evaluate what a route says about a start.

    Raises:
        ExpressionError: An expression fails on this event.
    """
    retry, override = spec.retry_policy, spec.versioning_override
    found = {name: scope.json(each) for name, each in spec.search_attributes.items()}
    return PlannedStart(
        workflow=spec.workflow,
        task_queue=spec.task_queue,
        input=msgspec.UNSET if spec.input is None else scope.json(spec.input),
        search_attributes={name: each for name, each in found.items() if each != _NULL},
        memo={name: scope.json(each) for name, each in spec.memo.items()},
        options=StartOptions(
            execution_timeout=spec.execution_timeout,
            run_timeout=spec.run_timeout,
            task_timeout=spec.task_timeout,
            start_delay=spec.start_delay,
            retry_policy=None if retry is None else RetryPolicy(**retry.model_dump()),
            priority_key=spec.priority_key,
            fairness_key=None if spec.fairness_key is None else scope.text(spec.fairness_key),
            fairness_weight=spec.fairness_weight,
            static_summary=spec.static_summary,
            static_details=spec.static_details,
            versioning_override=PinnedVersion(**override.model_dump())
            if isinstance(override, PinnedVersionFields)
            else override,
            **policies,
        ),
        closure=_closure(spec.closure),
    )


def _closure(fields: ClosureFields) -> Closure | Literal["none"]:
    if not fields.announce:
        return "none"
    return "full" if fields.result else "bare"


def start_call(planned: PlannedStart, dispatch: Dispatch, stored: StoredEvent) -> StartCall:
    """Return the call that starts a workflow, with what ties the run to its event."""
    event = stored.event
    return StartCall(
        workflow=planned.workflow,
        task_queue=planned.task_queue,
        workflow_id=dispatch.target,
        request_id=dispatch.request_id,
        argument=Argument(data=event.data, is_json=event.has_json_data)
        if planned.input is msgspec.UNSET
        else Argument(data=bytes(planned.input)),
        search_attributes={
            **planned.search_attributes,
            "BridgeRoute": dispatch.route,
            "EventUid": str(stored.uid),
            "EventType": event.type,
            "CorrelationId": stored.correlation_id,
        },
        memo={
            **planned.memo,
            "ce": attributes(event),
            "bridge": memo_of(
                dispatch.route, stored, dispatch.generation if planned.again else 1
            ),
        },
        options=planned.options,
    )


def start_again(planned: PlannedStart) -> PlannedStart:
    """Return the start of a new generation, to which the run of an earlier one gives its id."""
    options = planned.options
    if options.id_reuse_policy == "reject-duplicate":
        options = replace(options, id_reuse_policy="allow-duplicate")
    return replace(planned, options=options, again=True)


async def own(
    temporal: Temporal, dispatch: Dispatch, holder: Run, *, again: bool = False
) -> tuple[Outcome | None, Run]:
    """Tell whether the run that holds the workflow id is what this dispatch started before.

    With ``again`` a run of an earlier generation is another's.

    Returns:
        The outcome if it is, and the holder as far as it is known now.
    """
    if holder.start_request_id == str(dispatch.request_id):
        return Outcome(state="done", run_id=holder.run_id), holder
    try:
        run = await temporal.describe(dispatch.target, holder.run_id)
    except CallError as error:
        if not error.target_gone:
            raise
        gone = Outcome(
            state="open",
            code="transient",
            error=f"the run {holder.run_id} that held the workflow id is gone: {error}",
            pause=backoff(dispatch.attempts + 1),
        )
        return gone, holder
    same = run.event_uid == str(dispatch.uid) and run.route == dispatch.route
    if same and (not again or run.generation == dispatch.generation):
        return Outcome(state="duplicate", run_id=run.run_id), run
    return None, run


def watched(outcome: Outcome, planned: PlannedStart) -> Outcome:
    """Have the end of the run told of that a start, or what may have been one, led to.

    Whether it was this dispatch that started it does not matter: that is found out at the end,
    by what the run itself says, and told once.
    """
    has_run = outcome.state in ("done", "duplicate") and outcome.run_id is not None
    if not has_run or planned.closure == "none":
        return outcome
    return replace(outcome, closure=planned.closure)


def collision(dispatch: Dispatch, holder: Run, reason: str) -> Outcome:
    """Return the outcome of a start whose workflow id is taken."""
    return Outcome(
        state="collision",
        run_id=holder.run_id,
        code="collision",
        error=f"the workflow id {dispatch.target!r} belongs to a run that another event or "
        f"caller started (event uid {holder.event_uid or 'none'}), and {reason}",
    )
