"""Temporal's responses, read as the bridge's values. Pure."""

from collections.abc import Mapping

import msgspec
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import (
    UpdateWorkflowExecutionLifecycleStage,
    WorkflowExecutionStatus,
)
from temporalio.api.update.v1 import Outcome
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionResponse,
    PollWorkflowExecutionUpdateResponse,
    UpdateWorkflowExecutionResponse,
)

from bridge.operations.calls import Run, RunStatus, UpdateAnswer, UpdateStage

_STATUSES: Mapping[int, RunStatus] = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING: "running",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED: "completed",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED: "failed",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED: "canceled",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED: "terminated",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: "continued-as-new",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT: "timed-out",
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED: "paused",
}
_STAGES: Mapping[int, UpdateStage] = {
    UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED: (
        "accepted"
    ),
    UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED: (
        "completed"
    ),
}


class _BridgeMemo(msgspec.Struct):
    generation: int = 1


def run(answer: DescribeWorkflowExecutionResponse) -> Run:
    """Read the description of a run; its search attributes name the event and route."""
    info = answer.workflow_execution_info
    fields = info.search_attributes.indexed_fields
    return Run(
        run_id=info.execution.run_id,
        status=status_of(info.status),
        first_run_id=info.first_run_id or info.execution.run_id,
        cancel_requested=answer.workflow_extended_info.cancel_requested,
        event_uid=text_of(fields, "EventUid"),
        route=text_of(fields, "BridgeRoute"),
        generation=_generation(info.memo.fields),
    )


def update(
    answer: UpdateWorkflowExecutionResponse | PollWorkflowExecutionUpdateResponse,
) -> UpdateAnswer:
    """Read the stage of an update. A rejection looks like a failure here; the caller separates them."""
    return UpdateAnswer(
        stage=_STAGES.get(answer.stage, "admitted"),
        run_id=answer.update_ref.workflow_execution.run_id,
        failed=_failure(answer.outcome),
    )


def _failure(outcome: Outcome) -> str | None:
    """Return the messages of a failed update and of its causes; None when it did not fail."""
    if not outcome.HasField("failure"):
        return None
    failure, parts = outcome.failure, [outcome.failure.message]
    while failure.HasField("cause"):
        failure = failure.cause
        parts.append(failure.message)
    return ": ".join(part for part in parts if part) or "no message"


def _generation(memo: Mapping[str, Payload]) -> int:
    """Return the generation that the bridge wrote into a run's memo; 1 when it wrote none."""
    try:
        return msgspec.json.decode(memo["bridge"].data, type=_BridgeMemo).generation
    except (KeyError, msgspec.MsgspecError):
        return 1  # a run of another program, or an encrypted memo


def status_of(number: int) -> RunStatus:
    """Return the bridge's word for a run's status."""
    return _STATUSES.get(number, "unknown")


def text_of(fields: Mapping[str, Payload], name: str) -> str:
    """Return a search attribute of type text; empty when it is absent."""
    payload = fields.get(name)
    value = msgspec.json.decode(payload.data) if payload is not None else ""
    return value if isinstance(value, str) else ""
