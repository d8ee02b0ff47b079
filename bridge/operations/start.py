"""``start``: one run for each event and route, for ever."""

from typing import Any, ClassVar
from uuid import UUID

import msgspec
from pydantic import Field
from typing_extensions import override

from bridge.calls import Argument, CallError, Run, StartCall, StartOptions, Temporal
from bridge.cloudevents import attributes
from bridge.expressions import EventScope
from bridge.operations.base import Dispatch, Operation, Planned, SpecModel
from bridge.operations.fields import CompiledExpression
from bridge.outcomes import Outcome
from eventstore.events import StoredEvent


class StartSpec(SpecModel):
    """Start a workflow.

    ``id`` defaults to ``<route>/<event uid>``, ``input`` to the event's data.
    """

    workflow: str = Field(min_length=1, max_length=1000)
    task_queue: str = Field(min_length=1, max_length=1000)
    id: CompiledExpression | None = None
    input: CompiledExpression | None = None


class PlannedStart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `Start` planned, as the dispatch's row keeps it."""

    workflow: str
    task_queue: str
    input: msgspec.Raw | None = None
    """JSON; ``None`` means the event's data as they are."""
    search_attributes: dict[str, Any] = msgspec.field(default_factory=dict)
    memo: dict[str, Any] = msgspec.field(default_factory=dict)
    options: StartOptions = StartOptions()


class Start(Operation[StartSpec]):
    """Starts a workflow; a repeat finds the run that the first attempt started."""

    name: ClassVar[str] = "start"

    @override
    def plan(self, spec: StartSpec, scope: EventScope, *, route: str, uid: UUID) -> Planned:
        call = PlannedStart(
            workflow=spec.workflow,
            task_queue=spec.task_queue,
            input=None
            if spec.input is None
            else msgspec.Raw(msgspec.json.encode(scope.value(spec.input))),
        )
        return Planned(
            target=f"{route}/{uid}" if spec.id is None else scope.text(spec.id),
            call=msgspec.to_builtins(call),
        )

    @override
    async def carry_out(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        event: StoredEvent,
    ) -> Outcome:
        try:
            run = await temporal.start(start_call(dispatch, event))
        except CallError as error:
            if error.already_started is None:
                raise
            return await _judge_holder(temporal, dispatch, error.already_started)
        return Outcome(state="done", run_id=run.run_id)


def start_call(dispatch: Dispatch, stored: StoredEvent) -> StartCall:
    """Return the call that starts a dispatch's workflow, with what ties the run to its event."""
    planned = msgspec.json.decode(dispatch.call, type=PlannedStart)
    event = stored.event
    return StartCall(
        workflow=planned.workflow,
        task_queue=planned.task_queue,
        workflow_id=dispatch.target,
        request_id=dispatch.request_id,
        argument=Argument(data=event.data, is_json=event.has_json_data)
        if planned.input is None
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
            "bridge": lineage(dispatch.route, stored),
        },
        options=planned.options,
    )


def lineage(route: str, stored: StoredEvent) -> dict[str, Any]:
    """Return what a run must know to link the events it emits to the one that caused it."""
    hops = stored.event.extensions.get("hops", 0)
    return {
        "uid": str(stored.uid),
        "route": route,
        "correlation_id": stored.correlation_id,
        "correlation_uid": str(stored.correlation_uid),
        "hops": int(hops) if str(hops).isdecimal() else 0,
    }


async def _judge_holder(temporal: Temporal, dispatch: Dispatch, holder: Run) -> Outcome:
    """Tell our own earlier start, which is success, from another's, which is a collision."""
    if holder.start_request_id == str(dispatch.request_id):
        return Outcome(state="done", run_id=holder.run_id)
    run = await temporal.describe(dispatch.target, holder.run_id)
    if run.event_uid == str(dispatch.uid) and run.route == dispatch.route:
        return Outcome(state="duplicate", run_id=holder.run_id)
    return Outcome(
        state="collision",
        run_id=holder.run_id,
        code="collision",
        error=f"the workflow id {dispatch.target!r} belongs to a run that another event or "
        f"caller started (event uid {run.event_uid or 'none'})",
    )
