"""How a pipeline ends: every end is a result event, and says the same as the run's status."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from temporalio import exceptions
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
)

from workflows.errors import PipelineError
from workflows.messages.message import Message
from workflows.messages.result_events import Failed
from workflows.result_events import ResultEvents

Result = TypeVar("Result", bound=Message)

CANCELLED = "Cancelled"
"""The ``error`` of a run that was cancelled."""


async def conclude(
    work: Awaitable[Result], *, results: ResultEvents, completed: str, failed: str
) -> Result:
    """Await a pipeline's work and emit its closing event, ``completed`` or ``failed``.

    A run whose work fails ends FAILED with one ``ApplicationError`` that says what the event
    says; a run that was cancelled ends CANCELED. Any other exception is a bug of ours: it fails
    the workflow task, not the run, which goes on when a mended worker is there.

    Raises:
        ApplicationError: When the work failed; its type is the event's ``error``.
        asyncio.CancelledError: When the run was cancelled before the work was done; or an
            ``ActivityError`` caused by that.
    """
    try:
        result = await work
        await results.close(completed, result)
    except (FailureError, PipelineError, asyncio.CancelledError) as error:
        failure = failure_of(error)
        await results.close(failed, failure)
        if failure.cancelled:
            raise  # Temporal takes it for what it is
        raise ApplicationError(
            failure.reason, failure, type=failure.error, non_retryable=True
        ) from error
    return result


def failure_of(error: BaseException) -> Failed:
    """Return what the closing event says about an error.

    An activity's failure is reported as what went wrong inside it, with the activity's name.
    """
    if exceptions.is_cancelled_exception(error):
        return Failed(
            reason="the run was cancelled", error=CANCELLED, step=_step(error), cancelled=True
        )
    cause = error
    while isinstance(cause, ActivityError | ChildWorkflowError) and cause.cause is not None:
        cause = cause.cause
    return Failed(reason=_reason(cause), error=_name(cause), step=_step(error))


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
