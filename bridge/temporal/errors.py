"""Translation of Temporal's errors into `CallError`, in this one place."""

from google.protobuf.message import Message
from temporalio.api.enums.v1 import ResourceExhaustedCause
from temporalio.api.errordetails.v1 import (
    NamespaceInvalidStateFailure,
    NamespaceNotActiveFailure,
    NamespaceNotFoundFailure,
    NamespaceUnavailableFailure,
    ResourceExhaustedFailure,
    WorkflowExecutionAlreadyStartedFailure,
)
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
    started = WorkflowExecutionAlreadyStartedFailure()
    exhausted = ResourceExhaustedFailure()
    holder = None
    if _detail(error, started):
        holder = Run(run_id=started.run_id, start_request_id=started.start_request_id)
    limit = ""
    if _detail(error, exhausted):
        limit = ResourceExhaustedCause.Name(exhausted.cause).removeprefix(_CAUSE_PREFIX)
    return CallError(
        error.status.name,
        error.message,
        limit=limit,
        already_started=holder,
        too_large=error.status is RPCStatusCode.RESOURCE_EXHAUSTED
        and not limit
        and size > _MAX_MESSAGE_BYTES,
        namespace_missing=any(_detail(error, failure()) for failure in _NAMESPACE_FAILURES),
    )


def _detail(error: RPCError, into: Message) -> bool:
    """Unpack the error detail of this message type; return whether there is one."""
    return any(detail.Unpack(into) for detail in error.grpc_status.details)
