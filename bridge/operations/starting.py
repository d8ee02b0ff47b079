"""Shared parts of operations that start a workflow: fields, plan, call, check of an existing run."""

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
from bridge.operations.batches import Value
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
from bridge.operations.envelopes import listed
from bridge.operations.fields import (
    CompiledExpression,
    Duration,
    InputExpression,
    TextExpression,
)
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
"""Maximum bytes, from Temporal's documentation of user metadata."""


def _not_ours(*names: str) -> AfterValidator:
    def check(value: Mapping[str, Any]) -> Mapping[str, Any]:
        ours = sorted(set(names) & set(value))
        if ours:
            raise ValueError(f"{', '.join(ours)}: set by the bridge, leave it out")
        return value

    return AfterValidator(check)


class RetryPolicyFields(SpecModel):
    """How Temporal retries the whole workflow when it fails."""

    initial_interval: Duration = 1.0
    backoff_coefficient: Number = Field(2.0, ge=1, le=1000)
    maximum_interval: Duration | None = None
    maximum_attempts: Whole = Field(0, ge=0, le=MAX_INT32)
    """0: unlimited."""
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
    """The closure event on ``results.workflow.…`` that reports how a run ended."""

    announce: Truth = True
    result: Truth = True
    """Whether it has the workflow's result; it always has the failure."""


class StartFields(SpecModel):
    """The workflow to start, and Temporal's options for it."""

    workflow: TemporalName
    """The workflow's type."""
    task_queue: TemporalName
    input: InputExpression = None
    """CEL; default, and ``raw``: the event's data as it is recorded."""
    execution_timeout: Duration | None = None
    run_timeout: Duration | None = None
    task_timeout: Duration | None = None
    start_delay: Duration | None = None
    retry_policy: RetryPolicyFields | None = None
    priority_key: Whole | None = Field(None, ge=1, le=MAX_INT32)
    """1 is the most urgent."""
    fairness_key: TextExpression | None = None
    """CEL, at most 64 bytes: runs with different keys (for example, tenants) take turns."""
    fairness_weight: Number | None = Field(None, ge=0.001, le=1000)
    search_attributes: Annotated[
        Mapping[str, CompiledExpression], _not_ours(*OUR_SEARCH_ATTRIBUTES)
    ] = Field(default_factory=dict)
    """A CEL expression for each; null leaves the attribute unset."""
    memo: Annotated[Mapping[str, CompiledExpression], _not_ours(*OUR_MEMO)] = Field(
        default_factory=dict
    )
    """A CEL expression for each."""
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
    """The plan of a start, as stored in the dispatch's row."""

    workflow: str
    task_queue: str
    input: Value = msgspec.UNSET
    """JSON, sent from the row to Temporal without decoding; unset means the event's own data."""
    search_attributes: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    memo: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)
    options: StartOptions = StartOptions()
    again: bool = False
    """Whether to ignore runs of earlier generations: a replay asked for a new run."""
    closure: Closure | Literal["none"] = "full"


def plan_start(spec: StartFields, scope: EventScope, **policies: Any) -> PlannedStart:
    """Evaluate a route's start for one event.

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


def input_of(value: Value, dispatch: Dispatch, stored: StoredEvent) -> Argument:
    """Return what a start gives: a list of envelopes for a dispatch that calls for a window."""
    if dispatch.member_ids is not None:
        return Argument(data=listed(dispatch.members))
    if value is not msgspec.UNSET:
        return Argument(data=bytes(value))
    return Argument(data=stored.event.data, is_json=stored.event.has_json_data)


def start_call(
    planned: PlannedStart, dispatch: Dispatch, stored: StoredEvent, *, also: bool = False
) -> StartCall:
    """Return the call for a start, with the search attributes and memo that link run and event.

    Args:
        planned: The plan of the start.
        dispatch: The dispatch.
        stored: Its event.
        also: Whether a signal or update goes with it, which then gets the events of a window; the
            workflow's input is always that of one event.
    """
    event = stored.event
    if also and dispatch.member_ids is not None:
        dispatch = replace(dispatch, member_ids=None)
    return StartCall(
        workflow=planned.workflow,
        task_queue=planned.task_queue,
        workflow_id=dispatch.target,
        request_id=dispatch.request_id,
        argument=input_of(planned.input, dispatch, stored),
        search_attributes={
            **planned.search_attributes,
            **our_search_attributes(dispatch, stored),
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


def our_search_attributes(dispatch: Dispatch, stored: StoredEvent) -> Mapping[str, str]:
    """Return the search attributes that link what a dispatch starts with its event."""
    return {
        "BridgeRoute": dispatch.route,
        "EventUid": str(stored.uid),
        "EventType": stored.event.type,
        "CorrelationId": stored.correlation_id,
    }


def start_again(planned: PlannedStart) -> PlannedStart:
    """Return the start of a new generation, which may reuse the workflow id of an earlier run."""
    options = planned.options
    if options.id_reuse_policy == "reject-duplicate":
        options = replace(options, id_reuse_policy="allow-duplicate")
    return replace(planned, options=options, again=True)


async def own(
    temporal: Temporal, dispatch: Dispatch, holder: Run, *, again: bool = False
) -> tuple[Outcome | None, Run]:
    """Check whether an earlier attempt of this dispatch started the run with the workflow id.

    With ``again``, a run of an earlier generation does not count.

    Returns:
        The outcome if it did, else None; and the run, with what is known about it now.
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
            error=f"the run {holder.run_id} that had the workflow id no longer exists: {error}",
            pause=backoff(dispatch.attempts + 1),
        )
        return gone, holder
    same = run.event_uid == str(dispatch.uid) and run.route == dispatch.route
    if same and (not again or run.generation == dispatch.generation):
        return Outcome(state="duplicate", run_id=run.run_id), run
    return None, run


def watched(outcome: Outcome, planned: PlannedStart) -> Outcome:
    """Request a closure event for the run that this start may have created.

    It need not be known whether this dispatch started the run: the run's memo shows that when it
    ends, and the run has one closure event.
    """
    if outcome.state == "collision" or outcome.run_id is None or planned.closure == "none":
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
