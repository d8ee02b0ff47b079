"""Requests about activities, and what a history says of their ends."""

from temporalio.api.common.v1 import ActivityType, Header, Payloads, Priority, SearchAttributes
from temporalio.api.enums.v1 import ActivityIdConflictPolicy, ActivityIdReusePolicy
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    DescribeActivityExecutionResponse,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    StartActivityExecutionRequest,
)

from bridge.operations.calls import ActivityFailure, EndActivityCall, StartActivityCall
from bridge.temporal.requests import argument_payload, duration, json_payload, retry_policy

_REUSE = {
    "reject-duplicate": ActivityIdReusePolicy.ACTIVITY_ID_REUSE_POLICY_REJECT_DUPLICATE,
    "allow-duplicate": ActivityIdReusePolicy.ACTIVITY_ID_REUSE_POLICY_ALLOW_DUPLICATE,
    "allow-failed-only": (
        ActivityIdReusePolicy.ACTIVITY_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
    ),
}
_CONFLICT = {
    "fail": ActivityIdConflictPolicy.ACTIVITY_ID_CONFLICT_POLICY_FAIL,
    "use-existing": ActivityIdConflictPolicy.ACTIVITY_ID_CONFLICT_POLICY_USE_EXISTING,
}
_MARK = "#"


def start_activity(
    call: StartActivityCall, *, namespace: str, identity: str, header: Header | None = None
) -> StartActivityExecutionRequest:
    """Return the request for the start of an activity without a workflow."""
    options = call.options
    return StartActivityExecutionRequest(
        namespace=namespace,
        identity=identity,
        request_id=str(call.request_id),
        activity_id=call.activity_id,
        activity_type=ActivityType(name=call.activity),
        task_queue=TaskQueue(name=call.task_queue),
        input=Payloads(payloads=[argument_payload(call.argument)]),
        header=header,
        id_reuse_policy=_REUSE[options.id_reuse_policy],
        id_conflict_policy=_CONFLICT[options.id_conflict_policy],
        start_to_close_timeout=duration(options.start_to_close_timeout),
        schedule_to_close_timeout=duration(options.schedule_to_close_timeout),
        schedule_to_start_timeout=duration(options.schedule_to_start_timeout),
        heartbeat_timeout=duration(options.heartbeat_timeout),
        retry_policy=retry_policy(options.retry_policy),
        priority=Priority(priority_key=options.priority_key or 0),
        search_attributes=SearchAttributes(
            indexed_fields={
                name: json_payload(value) for name, value in call.search_attributes.items()
            },
        ),
    )


def complete(
    call: EndActivityCall, *, namespace: str, identity: str
) -> RespondActivityTaskCompletedRequest:
    """Return the request to complete an activity; the workflow's history has its request id."""
    return RespondActivityTaskCompletedRequest(
        namespace=namespace,
        identity=marked(identity, call),
        task_token=call.task.token,
        result=Payloads(payloads=[argument_payload(call.result)]),
    )


def fail(
    call: EndActivityCall, failure: ActivityFailure, *, namespace: str, identity: str
) -> RespondActivityTaskFailedRequest:
    """Return the request to fail an activity; the workflow's history has its request id."""
    return RespondActivityTaskFailedRequest(
        namespace=namespace,
        identity=marked(identity, call),
        task_token=call.task.token,
        failure=Failure(
            message=failure.message,
            source="ntbridge",
            application_failure_info=ApplicationFailureInfo(
                type=failure.type, non_retryable=failure.non_retryable
            ),
        ),
    )


def describe(call: EndActivityCall, *, namespace: str) -> DescribeActivityExecutionRequest:
    """Return the request for the end of an activity without a workflow."""
    return DescribeActivityExecutionRequest(
        namespace=namespace,
        activity_id=call.task.activity_id,
        run_id=call.task.run_id,
        include_outcome=True,
    )


def result_of(answer: DescribeActivityExecutionResponse) -> Payloads | None:
    """Return the result of an activity that has completed."""
    return answer.outcome.result if answer.outcome.HasField("result") else None


def marked(identity: str, call: EndActivityCall) -> str:
    """Return the identity with the request id, by which a repeat finds the first attempt."""
    return f"{identity}{_MARK}{call.request_id}"


def request_id_in(identity: str) -> str:
    """Return the request id of an identity; another text if there is none."""
    return identity.rpartition(_MARK)[2]
