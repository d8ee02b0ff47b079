"""``complete_activity`` and ``fail_activity``: end an activity by the task token in an event.

The activity has told Temporal that it is completed asynchronously, and given its token to somebody who
reports the end as an event.
"""

import base64
from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec
from pydantic import Field
from typing_extensions import override

from bridge.cel import EventScope
from bridge.operations.base import Dispatch, Operation, Planned, SpecModel
from bridge.operations.calls import (
    ActivityFailure,
    Argument,
    CallError,
    EndActivityCall,
    Temporal,
)
from bridge.operations.fields import CompiledExpression, TextExpression
from bridge.operations.outcomes import Outcome
from bridge.operations.targets import CLOCK_SKEW, PlannedTarget, closed
from bridge.operations.task_token import read_token
from bridge.runtime.strict import Truth
from eventstore.events import StoredEvent


class _EndSpec(SpecModel):
    token: TextExpression
    """CEL: the activity's task token, in base64."""
    when_missing: Literal["dead-letter", "drop"] = "dead-letter"
    """What happens when the activity has ended, or is not there."""


class CompleteActivitySpec(_EndSpec):
    """Complete an activity."""

    result: CompiledExpression | None = None
    """CEL: the activity's result; default: the event's data."""


class FailActivitySpec(_EndSpec):
    """Fail an activity; its retry policy says whether it is tried again."""

    message: TextExpression
    """CEL: the message of the failure."""
    type: str = Field("Failed", min_length=1, max_length=200)
    """The type of the error, as retry policies name it."""
    non_retryable: Truth = False
    """Whether it is not tried again, whatever its retry policy says."""


class PlannedEnd(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plan of the end of an activity, as stored in the dispatch's row."""

    token: str
    """In base64."""
    when_missing: Literal["dead-letter", "drop"] = "dead-letter"
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    """JSON; unset means the event's own data."""
    failure: ActivityFailure | None = None


async def end(temporal: Temporal, dispatch: Dispatch, stored: StoredEvent) -> Outcome:
    """End the activity; a repeat finds what the first attempt did.

    ==================================================  =================================
    the activity                                        outcome
    ==================================================  =================================
    waits for its end                                   done
    has ended, and its workflow's history (or, without  done: the first attempt's
    a workflow, its result) shows that we ended it      response was lost
    has ended in another way, was retried, is unknown   ``when_missing``
    ==================================================  =================================
    """
    planned = msgspec.json.decode(dispatch.call, type=PlannedEnd)
    event = stored.event
    data = Argument(data=event.data, is_json=event.has_json_data)
    call = EndActivityCall(
        task=read_token(planned.token),
        request_id=dispatch.request_id,
        result=data
        if planned.result is msgspec.UNSET
        else Argument(data=bytes(planned.result)),
        failure=planned.failure,
    )
    try:
        await temporal.end_activity(call)
    except CallError as error:
        if not error.target_gone:
            raise
        if not await temporal.activity_ended(call, dispatch.planned_at - CLOCK_SKEW):
            outcome = closed(dispatch, PlannedTarget(when_missing=planned.when_missing))
            what = f"the activity {call.task.activity_id!r} has ended, was tried again, or is unknown"
            return msgspec.structs.replace(outcome, error=what)
    return Outcome(state="done")


class _EndActivity(Operation[Any]):
    @override
    async def carry_out(
        self, temporal: Temporal, dispatch: Dispatch, event: StoredEvent
    ) -> Outcome:
        return await end(temporal, dispatch, event)

    def _plan(self, spec: _EndSpec, scope: EventScope, **how: Any) -> Planned:
        task = read_token(scope.text(spec.token))
        token = base64.b64encode(task.token).decode()
        call = PlannedEnd(token=token, when_missing=spec.when_missing, **how)
        return Planned(target=task.target, call=call)


class CompleteActivity(_EndActivity):
    """Completes the activity; see `end`."""

    name: ClassVar[str] = "complete_activity"

    @override
    def plan(
        self, spec: CompleteActivitySpec, scope: EventScope, *, route: str, uid: UUID
    ) -> Planned:
        result = msgspec.UNSET if spec.result is None else scope.json(spec.result)
        return self._plan(spec, scope, result=result)


class FailActivity(_EndActivity):
    """Fails the activity; see `end`."""

    name: ClassVar[str] = "fail_activity"

    @override
    def plan(
        self, spec: FailActivitySpec, scope: EventScope, *, route: str, uid: UUID
    ) -> Planned:
        failure = ActivityFailure(
            message=scope.text(spec.message), type=spec.type, non_retryable=spec.non_retryable
        )
        return self._plan(spec, scope, failure=failure)
