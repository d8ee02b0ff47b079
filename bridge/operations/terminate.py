"""``terminate``: terminate one execution."""

from typing import ClassVar
from uuid import UUID

import msgspec
from typing_extensions import override

from bridge.cel import EventScope
from bridge.operations.base import Dispatch, Operation, Planned
from bridge.operations.calls import CallError, Temporal
from bridge.operations.outcomes import Outcome
from bridge.operations.targets import (
    PlannedTarget,
    UnstartedTargetFields,
    closed_meanwhile,
    find_execution,
    plan_target,
    resolve,
)
from bridge.runtime.strict import TemporalName
from eventstore.events import StoredEvent


class TerminateSpec(UnstartedTargetFields):
    """Terminate a workflow: it cannot react or clean up."""

    reason: TemporalName | None = None
    """The reason that Temporal shows; default: the route and the event."""


class PlannedTerminate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The plan of a `Terminate`, as stored in the dispatch's row."""

    target: PlannedTarget = PlannedTarget()
    reason: str


class Terminate(Operation[TerminateSpec]):
    """Terminates the execution that was open when the dispatch was first carried out.

    Its id is stored before the call, because Temporal has no request id for terminations. An
    execution that is found terminated counts as terminated by this dispatch.
    """

    name: ClassVar[str] = "terminate"

    @override
    def plan(self, spec: TerminateSpec, scope: EventScope, *, route: str, uid: UUID) -> Planned:
        workflow_id, target = plan_target(spec, scope)
        call = PlannedTerminate(
            target=target, reason=spec.reason or f"route {route}, event {uid}"
        )
        return Planned(target=workflow_id, call=call, wait_for=target.wait_for)

    @override
    async def carry_out(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        event: StoredEvent,
    ) -> Outcome:
        planned = msgspec.json.decode(dispatch.call, type=PlannedTerminate)
        if dispatch.run_id is None:
            return await resolve(temporal, dispatch, planned.target)
        try:
            await temporal.terminate(dispatch.target, dispatch.run_id, planned.reason)
        except CallError as error:
            if not error.target_gone:
                raise
        else:
            return Outcome(state="done")
        run = await find_execution(temporal, dispatch.target, dispatch.run_id)
        if run is not None and run.status == "terminated":
            return Outcome(state="done")
        return closed_meanwhile(dispatch, planned.target)
