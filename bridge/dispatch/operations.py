"""The operations a route may name, each from a dispatch and its event to an outcome."""

import re
from typing import Any, Protocol
from uuid import UUID

import msgspec

from bridge.calls import CallError, Run, StartCall
from bridge.cloudevents import attributes
from bridge.dispatch.outcomes import Outcome, after_failure
from bridge.intake.routing import StartSpec
from eventstore.events import Event, StoredEvent

_HOPS = re.compile(r"[0-9]{1,9}")


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """An open dispatch, as taken from the ledger."""

    id: int
    uid: UUID
    route: str
    generation: int
    operation: str
    target: str
    request_id: UUID
    spec: str
    attempts: int
    position: int


class Temporal(Protocol):
    """The calls that operations make. Idempotent by request id; raise `CallError`."""

    async def start(self, call: StartCall) -> Run:
        """Start a workflow."""
        ...

    async def describe(self, workflow_id: str, run_id: str) -> Run:
        """Return who started a run."""
        ...


async def carry_out(temporal: Temporal, dispatch: Dispatch, event: StoredEvent) -> Outcome:
    """Make the call that a dispatch plans and judge the answer."""
    try:
        return await _start(temporal, dispatch, event)
    except CallError as error:
        return after_failure(error, dispatch.attempts + 1)


async def _start(temporal: Temporal, dispatch: Dispatch, event: StoredEvent) -> Outcome:
    call = start_call(dispatch, event)
    try:
        run = await temporal.start(call)
    except CallError as error:
        if error.already_started is None:
            raise
        return await _judge_holder(temporal, dispatch, error.already_started)
    return Outcome(state="done", run_id=run.run_id)


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


def start_call(dispatch: Dispatch, stored: StoredEvent) -> StartCall:
    """Return the call that starts this dispatch's workflow."""
    spec = StartSpec.model_validate_json(dispatch.spec)
    event = stored.event
    return StartCall(
        workflow=spec.workflow,
        task_queue=spec.task_queue,
        workflow_id=dispatch.target,
        request_id=dispatch.request_id,
        argument=event.data,
        argument_is_json=event.has_json_data,
        search_attributes={
            "BridgeRoute": dispatch.route,
            "EventUid": str(stored.uid),
            "EventType": event.type,
            "CorrelationId": stored.correlation_id,
        },
        memo={"ce": attributes(event), "bridge": lineage(dispatch.route, stored)},
    )


def lineage(route: str, stored: StoredEvent) -> dict[str, Any]:
    """Return what a run must know to link the events it emits to the one that caused it."""
    return {
        "uid": str(stored.uid),
        "route": route,
        "correlation_id": stored.correlation_id,
        "correlation_uid": str(stored.correlation_uid),
        "hops": hops_of(stored.event),
    }


def hops_of(event: Event) -> int:
    """Return how often an event's chain has passed the bridge; 0 when nobody has counted."""
    hops = str(event.extensions.get("hops", 0))
    return int(hops) if _HOPS.fullmatch(hops) else 0
