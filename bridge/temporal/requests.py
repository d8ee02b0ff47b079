"""The bridge's calls as Temporal's request messages. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import (
    Header,
    Memo,
    Payload,
    Payloads,
    Priority,
    SearchAttributes,
    WorkflowType,
)
from temporalio.api.common.v1 import RetryPolicy as RetryPolicyMessage
from temporalio.api.common.v1 import WorkflowExecution as ExecutionMessage
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import (
    UpdateWorkflowExecutionLifecycleStage,
    WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy,
)
from temporalio.api.sdk.v1 import UserMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.update.v1 import Input, Meta, Request, UpdateRef, WaitPolicy
from temporalio.api.workflow.v1 import VersioningOverride
from temporalio.api.workflowservice.v1 import (
    ExecuteMultiOperationRequest,
    PollWorkflowExecutionUpdateRequest,
    RequestCancelWorkflowExecutionRequest,
    SignalWithStartWorkflowExecutionRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)

from bridge.operations.calls import (
    Argument,
    IdConflictPolicy,
    IdReusePolicy,
    PinnedVersion,
    RetryPolicy,
    SignalCall,
    StartCall,
    StartOptions,
    UpdateCall,
)

_REUSE: Mapping[IdReusePolicy, WorkflowIdReusePolicy.ValueType] = {
    "reject-duplicate": WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
    "allow-duplicate": WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
    "allow-failed-only": (
        WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
    ),
}
_CONFLICT: Mapping[IdConflictPolicy, WorkflowIdConflictPolicy.ValueType] = {
    "fail": WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
    "use-existing": WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
    "terminate-existing": (
        WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
    ),
}
_STAGES = {
    "accepted": (
        UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED
    ),
    "completed": (
        UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
    ),
}


def start(
    call: StartCall, *, namespace: str, identity: str, header: Header | None = None
) -> StartWorkflowExecutionRequest:
    """Return the request for a start."""
    return StartWorkflowExecutionRequest(
        namespace=namespace,
        identity=identity,
        request_id=str(call.request_id),
        input=Payloads(payloads=[argument_payload(call.argument)]),
        header=header,
        workflow_id_conflict_policy=_CONFLICT[call.options.id_conflict_policy],
        **_workflow(call),
    )


def signal_with_start(
    call: StartCall,
    signal: SignalCall,
    *,
    namespace: str,
    identity: str,
    header: Header | None = None,
) -> SignalWithStartWorkflowExecutionRequest:
    """Return the request for a signal that starts a workflow when none is open."""
    return SignalWithStartWorkflowExecutionRequest(
        namespace=namespace,
        identity=identity,
        request_id=str(call.request_id),
        input=Payloads(payloads=[argument_payload(call.argument)]),
        header=header,
        signal_name=signal.signal,
        signal_input=Payloads(payloads=[argument_payload(signal.argument)]),
        **_workflow(call),
    )


def signal(
    call: SignalCall, *, namespace: str, identity: str, header: Header | None = None
) -> SignalWorkflowExecutionRequest:
    """Return the request for a signal."""
    return SignalWorkflowExecutionRequest(
        namespace=namespace,
        identity=identity,
        request_id=str(call.request_id),
        workflow_execution=execution(call.workflow_id, call.run_id),
        signal_name=call.signal,
        input=Payloads(payloads=[argument_payload(call.argument)]),
        header=header,
    )


def update(
    call: UpdateCall, *, namespace: str, identity: str, header: Header | None = None
) -> UpdateWorkflowExecutionRequest:
    """Return the request for an update; its update id is the request id."""
    return UpdateWorkflowExecutionRequest(
        namespace=namespace,
        workflow_execution=execution(call.workflow_id, call.run_id),
        wait_policy=WaitPolicy(lifecycle_stage=_STAGES[call.wait_for]),
        request=Request(
            meta=Meta(update_id=str(call.request_id), identity=identity),
            input=Input(
                name=call.update,
                args=Payloads(payloads=[argument_payload(call.argument)]),
                header=header,
            ),
        ),
    )


def update_with_start(
    start_call: StartCall,
    update_call: UpdateCall,
    *,
    namespace: str,
    identity: str,
    header: Header | None = None,
) -> ExecuteMultiOperationRequest:
    """Return the request for an update that starts a workflow when none is open."""
    mine: dict[str, Any] = {"namespace": namespace, "identity": identity, "header": header}
    operation = ExecuteMultiOperationRequest.Operation
    return ExecuteMultiOperationRequest(
        namespace=namespace,
        operations=[
            operation(start_workflow=start(start_call, **mine)),
            operation(update_workflow=update(update_call, **mine)),
        ],
    )


def poll_update(
    call: UpdateCall, *, namespace: str, identity: str
) -> PollWorkflowExecutionUpdateRequest:
    """Return the request for the stage of an update; the server answers without waiting."""
    return PollWorkflowExecutionUpdateRequest(
        namespace=namespace,
        identity=identity,
        update_ref=UpdateRef(
            workflow_execution=execution(call.workflow_id, call.run_id),
            update_id=str(call.request_id),
        ),
    )


def cancel(
    workflow_id: str, first_run_id: str, request_id: str, *, namespace: str, identity: str
) -> RequestCancelWorkflowExecutionRequest:
    """Return the request to cancel the latest run of an execution."""
    return RequestCancelWorkflowExecutionRequest(
        namespace=namespace,
        identity=identity,
        request_id=request_id,
        workflow_execution=execution(workflow_id),
        first_execution_run_id=first_run_id,
    )


def terminate(
    workflow_id: str, first_run_id: str, reason: str, *, namespace: str, identity: str
) -> TerminateWorkflowExecutionRequest:
    """Return the request to terminate the latest run of an execution."""
    return TerminateWorkflowExecutionRequest(
        namespace=namespace,
        identity=identity,
        reason=reason,
        workflow_execution=execution(workflow_id),
        first_execution_run_id=first_run_id,
    )


def execution(workflow_id: str, run_id: str = "") -> ExecutionMessage:
    """Return the message that names a run; without a run id, the open or else the latest run."""
    return ExecutionMessage(workflow_id=workflow_id, run_id=run_id)


def _workflow(call: StartCall) -> dict[str, Any]:
    """Return the fields that both kinds of start share."""
    options = call.options
    return {
        "workflow_id": call.workflow_id,
        "workflow_type": WorkflowType(name=call.workflow),
        "task_queue": TaskQueue(name=call.task_queue),
        "workflow_id_reuse_policy": _REUSE[options.id_reuse_policy],
        "workflow_execution_timeout": duration(options.execution_timeout),
        "workflow_run_timeout": duration(options.run_timeout),
        "workflow_task_timeout": duration(options.task_timeout),
        "workflow_start_delay": duration(options.start_delay),
        "retry_policy": retry_policy(options.retry_policy),
        "memo": Memo(fields={name: json_payload(value) for name, value in call.memo.items()}),
        "search_attributes": SearchAttributes(
            indexed_fields={
                name: json_payload(value) for name, value in call.search_attributes.items()
            },
        ),
        "user_metadata": _user_metadata(options),
        "versioning_override": _versioning(options.versioning_override),
        "priority": Priority(
            priority_key=options.priority_key or 0,
            fairness_key=options.fairness_key or "",
            fairness_weight=options.fairness_weight or 0.0,
        ),
    }


def argument_payload(argument: Argument) -> Payload:
    """Return an argument as a payload."""
    if argument.data is None:
        return Payload(metadata={"encoding": b"json/plain"}, data=b"null")
    encoding = b"json/plain" if argument.is_json else b"binary/plain"
    return Payload(metadata={"encoding": encoding}, data=argument.data)


def json_payload(value: Any) -> Payload:
    """Return a value as a JSON payload. The server knows the types of search attributes."""
    return Payload(metadata={"encoding": b"json/plain"}, data=msgspec.json.encode(value))


def duration(seconds: float | None) -> Duration | None:
    """Return a duration as a message."""
    if seconds is None:
        return None
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def retry_policy(policy: RetryPolicy | None) -> RetryPolicyMessage | None:
    """Return a retry policy as a message."""
    if policy is None:
        return None
    return RetryPolicyMessage(
        initial_interval=duration(policy.initial_interval),
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=duration(policy.maximum_interval),
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=policy.non_retryable_error_types,
    )


def _user_metadata(options: StartOptions) -> UserMetadata | None:
    summary, details = options.static_summary, options.static_details
    if summary is None and details is None:
        return None
    return UserMetadata(
        summary=None if summary is None else json_payload(summary),
        details=None if details is None else json_payload(details),
    )


def _versioning(override: PinnedVersion | str | None) -> VersioningOverride | None:
    if override is None:
        return None
    if isinstance(override, PinnedVersion):
        return VersioningOverride(
            pinned=VersioningOverride.PinnedOverride(
                behavior=VersioningOverride.PINNED_OVERRIDE_BEHAVIOR_PINNED,
                version=WorkerDeploymentVersion(
                    deployment_name=override.deployment_name,
                    build_id=override.build_id,
                ),
            ),
        )
    return VersioningOverride(auto_upgrade=True)
