"""Searching a closed run's history: over pages, over the chain, and no further back than needed."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryReverseRequest,
    GetWorkflowExecutionHistoryReverseResponse,
)

from bridge.temporal.histories import received
from bridge.temporal.requests import execution

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def at(minute: int, kind: EventType.ValueType) -> HistoryEvent:
    event = HistoryEvent(event_type=kind)
    event.event_time.FromDatetime(NOON + timedelta(minutes=minute))
    return event


def started(minute: int, *, after: str = "") -> HistoryEvent:
    event = at(minute, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
    event.workflow_execution_started_event_attributes.continued_execution_run_id = after
    return event


def signaled(minute: int, request_id: str) -> HistoryEvent:
    event = at(minute, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
    event.workflow_execution_signaled_event_attributes.request_id = request_id
    return event


def updated(minute: int, update_id: str) -> HistoryEvent:
    event = at(minute, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED)
    event.workflow_execution_update_accepted_event_attributes.protocol_instance_id = update_id
    return event


# By run, then by page; the newest event first, as the server gives them.
RUNS = {
    "run-2": [
        [signaled(9, "third"), updated(8, "change")],
        [signaled(7, "second"), started(6, after="run-1")],
    ],
    "run-1": [[signaled(3, "first"), started(1)]],
}


@pytest.mark.parametrize(
    ("request_id", "since", "found"),
    [
        ("third", 0, True),
        ("change", 0, True),
        ("second", 0, True),
        ("first", 0, True),
        ("never", 0, False),
        ("first", 2, True),
        ("first", 4, False),
        ("second", 8, False),
    ],
)
async def test_received(request_id: str, since: int, *, found: bool) -> None:
    async def read_page(
        request: GetWorkflowExecutionHistoryReverseRequest,
    ) -> GetWorkflowExecutionHistoryReverseResponse:
        pages = RUNS[request.execution.run_id]
        number = int(request.next_page_token or b"0")
        more = number + 1 < len(pages)
        return GetWorkflowExecutionHistoryReverseResponse(
            history=History(events=pages[number]),
            next_page_token=str(number + 1).encode() if more else b"",
        )

    request = GetWorkflowExecutionHistoryReverseRequest(execution=execution("order-7", "run-2"))
    limit = NOON + timedelta(minutes=since)
    assert await received(read_page, request, request_id, limit) == found
