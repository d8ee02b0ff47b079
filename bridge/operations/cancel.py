"""``cancel``: request the cancellation of one execution."""

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
from eventstore.events import StoredEvent


class CancelSpec(UnstartedTargetFields):
    """Request the cancellation of a workflow."""


class Cancel(Operation[CancelSpec]):
    """Cancels the execution that was open when the dispatch was first carried out.

    Its id is stored before the request, so that a repeat cannot cancel another execution that was
    started under the same workflow id meanwhile. Temporal answers OK for a closed run too; the
    description of the run shows whether the request reached it.
    """

    name: ClassVar[str] = "cancel"

    @override
    def plan(self, spec: CancelSpec, scope: EventScope, *, route: str, uid: UUID) -> Planned:
        workflow_id, target = plan_target(spec, scope)
        return Planned(target=workflow_id, call=target, wait_for=target.wait_for)

    @override
    async def carry_out(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        event: StoredEvent,
    ) -> Outcome:
        target = msgspec.json.decode(dispatch.call, type=PlannedTarget)
        if dispatch.run_id is None:
            return await resolve(temporal, dispatch, target)
        try:
            await temporal.cancel(dispatch.target, dispatch.run_id, dispatch.request_id)
        except CallError as error:
            if not error.target_gone:
                raise
        run = await find_execution(temporal, dispatch.target, dispatch.run_id)
        if run is not None and run.cancel_requested:
            return Outcome(state="done")
        return closed_meanwhile(dispatch, target)
