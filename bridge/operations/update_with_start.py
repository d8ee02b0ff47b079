"""``update_with_start``: update the open run of a workflow id, or start one and update it."""

from typing import ClassVar, Self
from uuid import UUID

import msgspec
from msgspec.structs import replace
from pydantic import model_validator
from typing_extensions import override

from bridge.cel import EventScope
from bridge.operations.base import Dispatch, Operation, Planned
from bridge.operations.calls import (
    CallError,
    IdReusePolicy,
    Run,
    StartCall,
    Temporal,
    UpdateAnswer,
    UpdateCall,
)
from bridge.operations.envelopes import (
    ArgumentFields,
    PlannedArgument,
    argument,
    plan_argument,
)
from bridge.operations.fields import TextExpression
from bridge.operations.outcomes import Outcome
from bridge.operations.starting import (
    PlannedStart,
    StartFields,
    collision,
    own,
    plan_start,
    start_again,
    start_call,
    watched,
)
from bridge.operations.targets import find
from bridge.operations.update import WaitStage, judge
from bridge.runtime.strict import TemporalName
from eventstore.events import StoredEvent


class UpdateWithStartSpec(StartFields, ArgumentFields):
    """Update the open run of a workflow id; if none is open, start one and update it."""

    workflow_id: TextExpression
    update: TemporalName
    """The update's name."""
    wait_stage: WaitStage = "accepted"
    """When the dispatch is done: when the validator has accepted the update, or when its
    handler has completed without an error."""
    id_reuse_policy: IdReusePolicy = "allow-duplicate"
    """Whether a new run may follow a closed one; if not, the dispatch is a ``collision``."""

    @model_validator(mode="after")
    def _starts_at_once(self) -> Self:
        if self.start_delay is not None:
            raise ValueError("Temporal allows no start_delay with an update: leave it out")
        return self


class PlannedUpdateWithStart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plan of an `UpdateWithStart`, as stored in the dispatch's row."""

    start: PlannedStart
    update: str
    argument: PlannedArgument = PlannedArgument()
    wait_stage: WaitStage = "accepted"


class UpdateWithStart(Operation[UpdateWithStartSpec]):
    """Updates or starts, so that a repeat starts no second run and updates no run twice.

    Temporal compares update ids within one run. So the first request rejects a workflow id that was
    used before:

    1. No run, or an open run: Temporal starts or updates it. On a repeat, the open run knows the
       update id, and the answer is the same.
    2. A closed run. If it accepted this update, it still gives the answer. If it did not, but this
       dispatch started it, it closed without taking the update: a dead letter, since a second run
       would be a second effect. Otherwise a new run is started, if the route allows it.

    One gap remains, as with ``signal_with_start``: the last request of step 2 must allow a second run,
    so a killed daemon's request that reaches Temporal late, after the run of its successor's request
    has closed, starts another run.

    A run that this operation started has a closure event, also if it rejected the update.
    """

    name: ClassVar[str] = "update_with_start"
    waits_for_workflow: ClassVar[bool] = True

    @override
    def plan(
        self, spec: UpdateWithStartSpec, scope: EventScope, *, route: str, uid: UUID
    ) -> Planned:
        call = PlannedUpdateWithStart(
            start=plan_start(
                spec,
                scope,
                id_reuse_policy=spec.id_reuse_policy,
                id_conflict_policy="use-existing",
            ),
            update=spec.update,
            argument=plan_argument(spec, scope),
            wait_stage=spec.wait_stage,
        )
        return Planned(target=scope.text(spec.workflow_id), call=call, starts=True)

    @override
    def again(self, call: bytes) -> bytes:
        planned = msgspec.json.decode(call, type=PlannedUpdateWithStart)
        return msgspec.json.encode(replace(planned, start=start_again(planned.start)))

    @override
    async def carry_out(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        event: StoredEvent,
    ) -> Outcome:
        planned = msgspec.json.decode(dispatch.call, type=PlannedUpdateWithStart)
        start = start_call(planned.start, dispatch, event, also=True)
        update = UpdateCall(
            workflow_id=dispatch.target,
            update=planned.update,
            request_id=dispatch.request_id,
            argument=argument(planned.argument, dispatch, event),
            wait_for=planned.wait_stage,
        )
        once = replace(
            start, options=replace(start.options, id_reuse_policy="reject-duplicate")
        )
        found: UpdateAnswer | Run | Outcome = await _updated(temporal, once, update)
        if isinstance(found, Run):
            found = await self._after_close(temporal, dispatch, planned, start, update, found)
        if isinstance(found, UpdateAnswer):
            found = judge(found, planned.wait_stage, dispatch.attempts + 1)
        return watched(found, planned.start)

    async def _after_close(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        planned: PlannedUpdateWithStart,
        start: StartCall,
        update: UpdateCall,
        holder: Run,
    ) -> UpdateAnswer | Outcome:
        """Return the answer or the outcome if a closed run has the workflow id."""
        try:
            return await temporal.update(replace(update, run_id=holder.run_id))
        except CallError as error:
            if not error.target_gone:
                raise
        before, holder = await own(temporal, dispatch, holder, again=planned.start.again)
        if before is not None and before.state in ("done", "duplicate"):
            reason = "the run that this dispatch started closed before it took the update"
            return Outcome(
                state="dead", run_id=holder.run_id, code="target-closed", error=reason
            )
        if before is not None:
            return before
        if start.options.id_reuse_policy == "reject-duplicate":
            return collision(dispatch, holder, "it is closed")
        answer = await _updated(temporal, start, update)
        return (
            collision(dispatch, answer, "it is closed") if isinstance(answer, Run) else answer
        )


async def _updated(
    temporal: Temporal, start: StartCall, update: UpdateCall
) -> UpdateAnswer | Run:
    """Return the answer to the update, or the closed run that has the workflow id."""
    try:
        return await temporal.update_with_start(start, update)
    except CallError as error:
        if error.already_started is not None:
            return error.already_started
        if error.status != "UNAVAILABLE":
            raise
        # Temporal also answers so if a closed run has the request id: an earlier attempt started it.
        run = await find(temporal, update.workflow_id)
        if run is None or run.is_open:
            raise
        return run
