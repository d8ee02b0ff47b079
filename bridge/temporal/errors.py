"""Temporal's refusals, translated into `CallError` in this one place."""

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
from temporalio.service import RPCError

from bridge.calls import CallError, Run

_NAMESPACE_FAILURES = (
    NamespaceInvalidStateFailure,
    NamespaceNotActiveFailure,
    NamespaceNotFoundFailure,
    NamespaceUnavailableFailure,
)
_CAUSE_PREFIX = "RESOURCE_EXHAUSTED_CAUSE_"


def call_error(error: RPCError) -> CallError:
    """Translate what the SDK raises for an answer of the server's."""
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
        namespace_missing=any(_detail(error, failure()) for failure in _NAMESPACE_FAILURES),
    )


def _detail(error: RPCError, into: Message) -> bool:
    """Unpack the error's detail of the message's type, if there is one."""
    return any(detail.Unpack(into) for detail in error.grpc_status.details)
