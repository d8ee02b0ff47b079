"""Search of a run's history for a signal or update of the bridge, or an activity that it ended.

Temporal answers NOT_FOUND to a repeated signal when the run has closed, even if the run received
the first one: that signal may have closed the run, and its response may be lost. Only the history
shows whether it arrived.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryReverseRequest,
    GetWorkflowExecutionHistoryReverseResponse,
)

from bridge.temporal.activities import request_id_in
from bridge.temporal.requests import execution

ReadPage = Callable[
    [GetWorkflowExecutionHistoryReverseRequest],
    Awaitable[GetWorkflowExecutionHistoryReverseResponse],
]

_PAGE = 500


async def received(
    read_page: ReadPage,
    request: GetWorkflowExecutionHistoryReverseRequest,
    request_id: str,
    since: datetime,
) -> bool:
    """Search the histories of a run and of its predecessors, newest event first, until ``since``."""
    request.maximum_page_size = _PAGE
    while True:
        page = await read_page(request)
        for event in page.history.events:
            if event.event_time.ToDatetime(UTC) < since:
                return False
            if request_id in _request_ids(event):
                return True
        request.next_page_token = page.next_page_token
        if not page.next_page_token:
            first = page.history.events[-1] if page.history.events else HistoryEvent()
            started = first.workflow_execution_started_event_attributes
            if not started.continued_execution_run_id:
                return False
            workflow_id = request.execution.workflow_id
            request.execution.CopyFrom(
                execution(workflow_id, started.continued_execution_run_id)
            )


def _request_ids(event: HistoryEvent) -> tuple[str, ...]:
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            return (event.workflow_execution_signaled_event_attributes.request_id,)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            accepted = event.workflow_execution_update_accepted_event_attributes
            return (accepted.accepted_request.meta.update_id, accepted.protocol_instance_id)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            identity = event.activity_task_completed_event_attributes.identity
            return (request_id_in(identity),)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            return (request_id_in(event.activity_task_failed_event_attributes.identity),)
        case _:
            return ()
