"""``update``: send one update to the latest run of a workflow id, and judge its answer."""

from typing import ClassVar, Literal
from uuid import UUID

import msgspec
from typing_extensions import override

from bridge.cel import EventScope
from bridge.lifecycle.backoff import backoff
from bridge.operations.base import Dispatch, Operation, Planned
from bridge.operations.calls import CallError, Temporal, UpdateAnswer, UpdateCall
from bridge.operations.envelopes import (
    ArgumentFields,
    PlannedArgument,
    argument,
    plan_argument,
)
from bridge.operations.outcomes import Outcome
from bridge.operations.targets import (
    PlannedTarget,
    UnstartedTargetFields,
    closed,
    delivered_before,
    plan_target,
)
from bridge.runtime.strict import TemporalName
from eventstore.events import StoredEvent

WaitStage = Literal["accepted", "completed"]

_RUNNING_PAUSE_SECONDS = 5.0


class UpdateSpec(UnstartedTargetFields, ArgumentFields):
    """Update a workflow. The argument is the event's envelope, as an object."""

    update: TemporalName
    """The update's name."""
    wait_stage: WaitStage = "accepted"
    """When the dispatch is done: when the validator has accepted the update, or when its
    handler has completed without an error. (No client can wait for ``admitted``.)"""


class PlannedUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plan of an `Update`, as stored in the dispatch's row."""

    update: str
    target: PlannedTarget = PlannedTarget()
    argument: PlannedArgument = PlannedArgument()
    wait_stage: WaitStage = "accepted"


class Update(Operation[UpdateSpec]):
    """Updates the latest run; a repeated update id gives the same answer.

    ===============================================  =======================================
    the workflow                                     outcome
    ===============================================  =======================================
    accepted it (with ``completed``: completed it)   done
    still runs the handler, with ``completed``       open, polled again; no failed attempt
    rejected it: its validator, unknown update,      dead, ``rejected``, with the message
    or an argument it cannot read
    accepted it, but its handler failed              done; with ``completed``: dead,
                                                     ``update-failed``
    has no worker that takes it                      open, ``no-worker``: transient
    is unknown or closed                             ``when_missing``
    ===============================================  =======================================
    """

    name: ClassVar[str] = "update"
    waits_for_workflow: ClassVar[bool] = True

    @override
    def plan(self, spec: UpdateSpec, scope: EventScope, *, route: str, uid: UUID) -> Planned:
        workflow_id, target = plan_target(spec, scope)
        call = PlannedUpdate(
            update=spec.update,
            target=target,
            argument=plan_argument(spec, scope),
            wait_stage=spec.wait_stage,
        )
        return Planned(target=workflow_id, call=call, wait_for=target.wait_for)

    @override
    async def carry_out(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        event: StoredEvent,
    ) -> Outcome:
        planned = msgspec.json.decode(dispatch.call, type=PlannedUpdate)
        call = UpdateCall(
            workflow_id=dispatch.target,
            run_id=planned.target.run_id,
            update=planned.update,
            request_id=dispatch.request_id,
            argument=argument(planned.argument, dispatch, event),
            wait_for=planned.wait_stage,
        )
        try:
            answer = await temporal.update(call)
        except CallError as error:
            if not error.target_gone:
                raise
            before = await delivered_before(temporal, dispatch, planned.target.run_id)
            return before or closed(dispatch, planned.target)
        return judge(answer, planned.wait_stage, dispatch.attempts + 1)


def judge(answer: UpdateAnswer, wait_stage: WaitStage, attempts: int) -> Outcome:
    """Return what a workflow's answer means for the dispatch. Pure."""
    run_id = answer.run_id or None
    if answer.rejected is not None:
        return Outcome(state="dead", run_id=run_id, code="rejected", error=answer.rejected)
    if answer.stage == "admitted":
        return Outcome(
            state="open",
            run_id=run_id,
            code="no-worker",
            error="no worker has taken the update; does one poll the workflow's task queue?",
            pause=backoff(attempts),
        )
    if wait_stage == "completed" and answer.failed is not None:
        return Outcome(state="dead", run_id=run_id, code="update-failed", error=answer.failed)
    if wait_stage == "completed" and answer.stage == "accepted":
        return Outcome(
            state="open", run_id=run_id, code="accepted", pause=_RUNNING_PAUSE_SECONDS
        )
    return Outcome(state="done", run_id=run_id)
