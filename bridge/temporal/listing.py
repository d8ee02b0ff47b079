"""Runs as Temporal's visibility lists them; the list may lag. Pure."""

from datetime import UTC

from temporalio.api.workflow.v1 import WorkflowExecutionInfo

from bridge.operations.calls import ListedRun
from bridge.temporal.answers import status_of, text_of


def listed(info: WorkflowExecutionInfo) -> ListedRun:
    """Read one run of a list."""
    fields = info.search_attributes.indexed_fields
    return ListedRun(
        workflow_id=info.execution.workflow_id,
        run_id=info.execution.run_id,
        workflow=info.type.name,
        task_queue=info.task_queue,
        status=status_of(info.status),
        started_at=info.start_time.ToDatetime(UTC),
        is_child=bool(info.parent_execution.workflow_id),
        event_uid=text_of(fields, "EventUid"),
        route=text_of(fields, "BridgeRoute"),
    )
