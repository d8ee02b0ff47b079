"""``start_activity``: start an activity without a workflow, once (Temporal's standalone activities)."""

from typing import ClassVar, Literal, Self
from uuid import UUID

import msgspec
from msgspec.structs import replace
from pydantic import Field, model_validator
from typing_extensions import override

from bridge.cel import EventScope
from bridge.operations.base import Dispatch, Operation, Planned, SpecModel
from bridge.operations.batches import Value
from bridge.operations.calls import (
    ActivityOptions,
    CallError,
    IdReusePolicy,
    RetryPolicy,
    StartActivityCall,
    Temporal,
)
from bridge.operations.fields import Duration, InputExpression, TextExpression
from bridge.operations.outcomes import Outcome
from bridge.operations.starting import RetryPolicyFields, input_of, our_search_attributes
from bridge.runtime.strict import MAX_INT32, TemporalName, Whole
from eventstore.events import StoredEvent


class StartActivitySpec(SpecModel):
    """Start an activity that belongs to no workflow."""

    activity: TemporalName
    """The activity's type."""
    task_queue: TemporalName
    id: TextExpression | None = None
    """CEL: the activity id; default: route name and uid."""
    input: InputExpression = None
    """CEL; default, and ``raw``: the event's data as it is recorded."""
    id_reuse_policy: IdReusePolicy = "reject-duplicate"
    """Whether the id of an activity that has ended may be used again."""
    id_conflict_policy: Literal["fail", "use-existing"] = "fail"
    """What to do with a running activity that has this id: keep it, or join it."""
    start_to_close_timeout: Duration | None = None
    """Timeout of one attempt. This or schedule_to_close_timeout is needed."""
    schedule_to_close_timeout: Duration | None = None
    """Timeout of all attempts together."""
    schedule_to_start_timeout: Duration | None = None
    heartbeat_timeout: Duration | None = None
    retry_policy: RetryPolicyFields | None = None
    priority_key: Whole | None = Field(None, ge=1, le=MAX_INT32)
    """1 is the most urgent."""

    @model_validator(mode="after")
    def _ends_some_time(self) -> Self:
        if self.start_to_close_timeout is None and self.schedule_to_close_timeout is None:
            raise ValueError("give start_to_close_timeout or schedule_to_close_timeout")
        return self


class PlannedActivity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plan of a `StartActivity`, as stored in the dispatch's row."""

    activity: str
    task_queue: str
    input: Value = msgspec.UNSET
    """JSON; unset means the event's own data."""
    options: ActivityOptions = ActivityOptions()


class StartActivity(Operation[StartActivitySpec]):
    """Starts an activity; a repeat finds what the first attempt started.

    The server must have standalone activities (``ntbridge doctor`` says so). An activity without a
    workflow has no closure event: let it emit, or a workflow start it.

    ==========================================  ============================================
    activity with the id                        outcome
    ==========================================  ============================================
    none                                        done
    has this start request id                   done: the first attempt's response was lost
    of another event or caller                  collision, or as the route's policies say
    the same, running, with ``use-existing``    done, code ``joined``
    ==========================================  ============================================
    """

    name: ClassVar[str] = "start_activity"

    @override
    def plan(
        self, spec: StartActivitySpec, scope: EventScope, *, route: str, uid: UUID
    ) -> Planned:
        retry = spec.retry_policy
        call = PlannedActivity(
            activity=spec.activity,
            task_queue=spec.task_queue,
            input=msgspec.UNSET if spec.input is None else scope.json(spec.input),
            options=ActivityOptions(
                id_reuse_policy=spec.id_reuse_policy,
                id_conflict_policy=spec.id_conflict_policy,
                start_to_close_timeout=spec.start_to_close_timeout,
                schedule_to_close_timeout=spec.schedule_to_close_timeout,
                schedule_to_start_timeout=spec.schedule_to_start_timeout,
                heartbeat_timeout=spec.heartbeat_timeout,
                retry_policy=None if retry is None else RetryPolicy(**retry.model_dump()),
                priority_key=spec.priority_key,
            ),
        )
        target = f"{route}/{uid}" if spec.id is None else scope.text(spec.id)
        return Planned(target=target, call=call)

    @override
    def again(self, call: bytes) -> bytes:
        planned = msgspec.json.decode(call, type=PlannedActivity)
        if planned.options.id_reuse_policy != "reject-duplicate":
            return call
        options = replace(planned.options, id_reuse_policy="allow-duplicate")
        return msgspec.json.encode(replace(planned, options=options))

    @override
    async def carry_out(
        self, temporal: Temporal, dispatch: Dispatch, event: StoredEvent
    ) -> Outcome:
        planned = msgspec.json.decode(dispatch.call, type=PlannedActivity)
        call = StartActivityCall(
            activity=planned.activity,
            task_queue=planned.task_queue,
            activity_id=dispatch.target,
            request_id=dispatch.request_id,
            argument=input_of(planned.input, dispatch, event),
            search_attributes=our_search_attributes(dispatch, event),
            options=planned.options,
        )
        try:
            run = await temporal.start_activity(call)
        except CallError as error:
            holder = error.already_started
            if holder is None:
                raise
            if holder.start_request_id == str(dispatch.request_id):
                return Outcome(state="done")
            return Outcome(
                state="collision",
                code="collision",
                error=f"the activity id {dispatch.target!r} belongs to an activity that another event "
                "or caller started, and the route does not share its id",
            )
        # Its run id is not stored: those of dispatches are runs of workflows.
        return Outcome(state="done", code=None if run.started else "joined")
