"""What Temporal itself says was done to its workflows: the histories, not the bridge's word."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError


@dataclass(frozen=True)
class Effect:
    """One thing that was done, because of one event."""

    at: int
    """When, in nanoseconds, by Temporal's clock."""
    event: str
    """The CloudEvent's id."""
    route: str
    workflow_id: str
    run_id: str


async def started(client: Client, route: str) -> list[Effect]:
    """All runs of a route."""
    found = []
    async for run in client.list_workflows(f"BridgeRoute = '{route}'"):
        envelope = await run.memo_value("ce")
        at = int(run.start_time.timestamp() * 1e9)
        found.append(Effect(at, envelope["id"], route, run.id, run.run_id))
    return found


async def signalled(client: Client, workflow_ids: Sequence[str]) -> list[Effect]:
    """All signals in the histories of some workflows, those of earlier runs included."""
    return [
        _of_envelope(workflow_id, run_id, event, payload)
        async for workflow_id, run_id, event in _events(client, workflow_ids)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
        for payload in event.workflow_execution_signaled_event_attributes.input.payloads
    ]


async def updated(client: Client, workflow_ids: Sequence[str]) -> list[Effect]:
    """All updates that were accepted."""
    found = []
    async for workflow_id, run_id, event in _events(client, workflow_ids):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            accepted = event.workflow_execution_update_accepted_event_attributes
            (payload,) = accepted.accepted_request.input.args.payloads
            found.append(_of_envelope(workflow_id, run_id, event, payload))
    return found


async def cancelled(client: Client, route: str, events: dict[str, str]) -> list[Effect]:
    """All requests to cancel; `events` names each workflow's event."""
    return [
        Effect(_at(event), events[workflow_id], route, workflow_id, run_id)
        async for workflow_id, run_id, event in _events(client, list(events))
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
    ]


async def terminated(client: Client, route: str, events: dict[str, str]) -> list[Effect]:
    """All terminations; `events` names each workflow's event."""
    return [
        Effect(_at(event), events[workflow_id], route, workflow_id, run_id)
        async for workflow_id, run_id, event in _events(client, list(events))
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED
    ]


async def _events(
    client: Client, workflow_ids: Sequence[str]
) -> AsyncIterator[tuple[str, str, HistoryEvent]]:
    for workflow_id in workflow_ids:
        for run_id in await _runs(client, workflow_id):
            handle = client.get_workflow_handle(workflow_id, run_id=run_id)
            async for event in handle.fetch_history_events():
                yield workflow_id, run_id, event


async def _runs(client: Client, workflow_id: str) -> list[str]:
    """All runs of a workflow id; the latest one for certain, the others as far as listed."""
    try:
        latest = await client.get_workflow_handle(workflow_id).describe()
    except RPCError:
        return []
    listed = [
        run.run_id async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'")
    ]
    return [*(run_id for run_id in listed if run_id != latest.run_id), latest.run_id]


def _of_envelope(
    workflow_id: str, run_id: str, event: HistoryEvent, payload: Payload
) -> Effect:
    envelope: dict[str, Any] = json.loads(payload.data)
    return Effect(_at(event), envelope["id"], envelope["bridgeroute"], workflow_id, run_id)


def _at(event: HistoryEvent) -> int:
    return event.event_time.ToNanoseconds() + event.event_id
