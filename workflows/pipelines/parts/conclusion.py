"""How a pipeline ends: every end is a result event, and says the same as the run's status."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.exceptions import ApplicationError, FailureError

from workflows.errors import PipelineError
from workflows.messages.message import Message
from workflows.messages.undoing import FailedAndUndone, UndoReport
from workflows.pipelines.parts.provenance import Provenance
from workflows.platform.failures import failure_of
from workflows.platform.result_events import ResultEvents

Result = TypeVar("Result", bound=Message)


async def conclude(
    work: Awaitable[Result],
    *,
    results: ResultEvents,
    completed: str,
    failed: str,
    undo: Callable[[], Awaitable[UndoReport]] | None = None,
    provenance: Provenance | None = None,
) -> Result:
    """Await a pipeline's work and emit its closing event, ``completed`` or ``failed``.

    A run whose work fails ends FAILED with one ``ApplicationError`` that says what the event
    says; a run that was cancelled ends CANCELED. Any other exception is a bug of ours: it fails
    the workflow task, not the run, which goes on when a mended worker is there.

    Args:
        work: What the pipeline does.
        results: Where its events go.
        completed: The type of the event of a run that went well.
        failed: The type of the event of any other.
        undo: Called when the work has failed, before the closing event, which says what it
            reports; must let no cancellation disturb it (`workflows.platform.saga`).
        provenance: Seals the run behind its closing event, whichever that is.

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
        if undo is not None:
            failure = FailedAndUndone(**dict(failure), **dict(await undo()))
        await results.close(failed, failure)
        if provenance is not None:
            await provenance.seal(failed)
        if failure.cancelled:
            raise  # Temporal takes it for what it is
        raise ApplicationError(
            failure.reason, failure, type=failure.error, non_retryable=True
        ) from error
    if provenance is not None:
        await provenance.seal(completed)
    return result
