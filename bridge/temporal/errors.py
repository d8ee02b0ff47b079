"""Translation of Temporal's errors into `CallError`, in this one place."""

from collections.abc import Iterable

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from temporalio.api.enums.v1 import ResourceExhaustedCause
from temporalio.api.errordetails.v1 import (
    ActivityExecutionAlreadyStartedFailure,
    MultiOperationExecutionFailure,
    NamespaceInvalidStateFailure,
    NamespaceNotActiveFailure,
    NamespaceNotFoundFailure,
    NamespaceUnavailableFailure,
    ResourceExhaustedFailure,
    WorkflowExecutionAlreadyStartedFailure,
)
from temporalio.api.failure.v1 import MultiOperationExecutionAborted
from temporalio.service import RPCError, RPCStatusCode

from bridge.operations.calls import CallError, Run

_NAMESPACE_FAILURES = (
    NamespaceInvalidStateFailure,
    NamespaceNotActiveFailure,
    NamespaceNotFoundFailure,
    NamespaceUnavailableFailure,
)
_CAUSE_PREFIX = "RESOURCE_EXHAUSTED_CAUSE_"


_MAX_MESSAGE_BYTES = 4 * 2**20
"""gRPC's own limit, which Temporal keeps."""


def call_error(error: RPCError, size: int) -> CallError:
    """Translate the SDK's error for an error response of the server.

    Args:
        error: The SDK's error.
        size: Size of the request in bytes. gRPC has one code for messages that are too large and
            for rate limits; the size tells which limit it was.
    """
    part = _failed_part(error)
    if part is not None:
        status, message, details = RPCStatusCode(part.code), part.message, part.details
    else:
        status, message, details = error.status, error.message, error.grpc_status.details
    started = WorkflowExecutionAlreadyStartedFailure()
    activity = ActivityExecutionAlreadyStartedFailure()
    exhausted = ResourceExhaustedFailure()
    holder = None
    if _detail(details, started):
        holder = Run(run_id=started.run_id, start_request_id=started.start_request_id)
    elif _detail(details, activity):
        holder = Run(run_id=activity.run_id, start_request_id=activity.start_request_id)
    limit = ""
    if _detail(details, exhausted):
        limit = ResourceExhaustedCause.Name(exhausted.cause).removeprefix(_CAUSE_PREFIX)
    return CallError(
        status.name,
        message,
        limit=limit,
        already_started=holder,
        too_large=status is RPCStatusCode.RESOURCE_EXHAUSTED
        and not limit
        and size > _MAX_MESSAGE_BYTES,
        namespace_missing=any(_detail(details, failure()) for failure in _NAMESPACE_FAILURES),
    )


def _failed_part(error: RPCError) -> MultiOperationExecutionFailure.OperationStatus | None:
    """Return the part of a request of several operations that failed, not one aborted for it."""
    failure = MultiOperationExecutionFailure()
    if not _detail(error.grpc_status.details, failure):
        return None
    for part in failure.statuses:
        aborted = _detail(part.details, MultiOperationExecutionAborted())
        if part.code != RPCStatusCode.OK and not aborted:
            return part
    return None


def _detail(details: Iterable[Any], into: Message) -> bool:
    """Unpack the error detail of this message type; return whether there is one."""
    return any(detail.Unpack(into) for detail in details)
