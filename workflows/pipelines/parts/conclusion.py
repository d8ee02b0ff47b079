"""Ends a pipeline with a closing event that agrees with the status of the run."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from workflows.errors import PipelineError
from workflows.messages.message import Message
from workflows.messages.result_events import Failed
from workflows.messages.undoing import FailedAndUndone, UndoReport
from workflows.pipelines.parts.provenance import Provenance
from workflows.platform.failures import failure_of
from workflows.platform.phases import Phases
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
    phases: Phases | None = None,
) -> Result:
    """Await a pipeline's work and emit its closing event, ``completed`` or ``failed``.

    A run whose work fails ends FAILED with one ``ApplicationError`` that has the event's text; a
    cancelled run ends CANCELED. Any other exception is a bug: it fails the workflow task, not the
    run, which continues when a corrected worker is deployed.

    Args:
        work: The work of the pipeline.
        results: Emits its events.
        completed: The type of the closing event of a successful run.
        failed: The type of the closing event of any other run.
        undo: Called after a failure, before the closing event, which includes its report; must
            ignore cancellation (`workflows.platform.saga`).
        provenance: Seals the run after its closing event.
        phases: The closing event of a failed run names the current one.

    Raises:
        ApplicationError: The work failed; its type is the event's ``error``.
        asyncio.CancelledError: The run was cancelled before the work was done; or an
            ``ActivityError`` caused by that.
    """
    try:
        result = await work
        await results.close(completed, result)
    except (FailureError, PipelineError, asyncio.CancelledError) as error:
        failure = failure_of(error)
        if phases is not None:
            failure = failure.model_copy(update={"phase": phases.current})
        _log(failure)
        if undo is not None:
            failure = FailedAndUndone(**dict(failure), **dict(await undo()))
        await results.close(failed, failure)
        if provenance is not None:
            await provenance.seal(failed)
        if failure.cancelled:
            raise  # Temporal recognises it as a cancellation
        raise ApplicationError(
            failure.reason, failure, type=failure.error, non_retryable=True
        ) from error
    if provenance is not None:
        await provenance.seal(completed)
    return result


def _log(failure: Failed) -> None:
    level = logging.INFO if failure.cancelled else logging.WARNING
    event = "run cancelled" if failure.cancelled else "run failed"
    workflow.logger.log(level, event, extra=failure.model_dump(exclude={"cancelled"}))
