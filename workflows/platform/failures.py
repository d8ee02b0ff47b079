"""The description of an error in a closing event."""

from temporalio import exceptions
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
)

from workflows.errors import CodeRejectedError
from workflows.messages.code_generation import Round
from workflows.messages.result_events import Failed

CANCELLED = "Cancelled"
"""The ``error`` of a run that was cancelled."""


def failure_of(error: BaseException) -> Failed:
    """Return the description of an error for the closing event.

    For an activity it has the cause inside the activity and the activity's name.
    """
    if exceptions.is_cancelled_exception(error):
        return Failed(
            reason="the run was cancelled", error=CANCELLED, step=_step(error), cancelled=True
        )
    cause = error
    while isinstance(cause, ActivityError | ChildWorkflowError) and cause.cause is not None:
        cause = cause.cause
    rejected = cause.rounds if isinstance(cause, CodeRejectedError) else ()
    rounds = tuple(each for each in rejected if isinstance(each, Round))
    return Failed(reason=_reason(cause), error=_name(cause), step=_step(error), rounds=rounds)


def _step(error: BaseException) -> str | None:
    return error.activity_type if isinstance(error, ActivityError) else None


def _reason(error: BaseException) -> str:
    if isinstance(error, exceptions.TimeoutError):
        return f"gave no answer in time ({_timeout(error)})"
    if isinstance(error, FailureError):
        return error.message
    return str(error)


def _name(error: BaseException) -> str:
    if isinstance(error, ApplicationError) and error.type:
        return error.type
    return type(error).__name__


def _timeout(error: exceptions.TimeoutError) -> str:
    return error.type.name.lower().replace("_", " ") if error.type else "timeout"
