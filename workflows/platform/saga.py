"""Undoing what a run has done, when it cannot go on.

.. code-block:: python

    saga = Saga()
    ...
    saga.on_failure("roll the environment back", qinfra.rollback_infra, UndoRequest(...))
    provisioned = await qinfra.provision_infra(plan, policy=SAGA)

and ``conclude(…, saga=saga)`` runs what was registered, the last one first, before it emits the
closing event, which says what was undone and what was not.

*Registered before the step it undoes.* A step that fails, or whose worker dies, may have done
its work all the same. So a compensation must be harmless when there is nothing to undo, and is
told by a key, known before the step begins, what to look for.

*On any failure, cancellation included.* While it undoes, the run takes no notice of being
cancelled (again). Steps before a compensation are called with a policy that waits for a
cancelled activity to have ended (``policies.SAGA``), so that none is still at work on what is
being undone.

*Each with its own tries* (``policies.COMPENSATION``). One that has used them up is reported as
left behind and does not keep the others from being run.

*A bug is no failure.* An exception from outside the errors that a workflow ends with fails the
workflow task, and the run waits for a mended worker with all its compensations.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from temporalio.exceptions import FailureError

from workflows.errors import PipelineError
from workflows.messages.message import Message
from workflows.messages.undoing import LeftBehind, Undone, UndoReport
from workflows.platform.failures import failure_of
from workflows.platform.phases import Phases
from workflows.platform.policies import COMPENSATION, Policy
from workflows.platform.result_events import ResultEvents
from workflows.platform.step import Step

Taken = TypeVar("Taken", bound=Message)
Given = TypeVar("Given", bound=Message)


@dataclass(frozen=True)
class Compensation:
    """Something to do on failure, in words for people."""

    what: str
    run: Callable[[], Awaitable[Message]]


class Saga:
    """The compensations of the current run."""

    def __init__(self) -> None:
        self._registered: list[Compensation] = []

    @property
    def registered(self) -> tuple[str, ...]:
        """What would be undone by now, in order of registration."""
        return tuple(compensation.what for compensation in self._registered)

    def on_failure(
        self,
        what: str,
        step: Step[Taken, Given],
        message: Taken,
        *,
        policy: Policy = COMPENSATION,
    ) -> None:
        """Register what undoes the step that comes next.

        Args:
            what: What it does, in words for people.
            step: The compensation; harmless when there is nothing to undo.
            message: What it is given; must not need to know what came of the step.
            policy: Its limits and tries.
        """

        async def run() -> Message:
            return await step(message, summary=what, policy=policy)

        self._registered.append(Compensation(what, run))

    async def undo(self) -> UndoReport:
        """Run all compensations, the last one first; each is run once, whatever happens.

        A cancellation that arrives meanwhile is too late to change anything.
        """
        last_first, self._registered = self._registered[::-1], []
        undoing = asyncio.create_task(unwind(last_first))
        while True:
            try:
                return await asyncio.shield(undoing)
            except asyncio.CancelledError:
                if undoing.cancelled():  # not by the run's cancellation: it is being torn down
                    raise

    async def undo_and_tell(
        self, phases: Phases, results: ResultEvents, *, phase: str, emits: str
    ) -> UndoReport:
        """Say that the current phase has failed, undo as a phase of its own, tell the report.

        Where nothing was registered there is no such phase, and nothing to tell.
        """
        phases.failed()
        if not self._registered:
            return UndoReport()
        phases.begin(phase)
        report = await self.undo()
        phases.done()
        await results.close(emits, report)
        return report


async def unwind(compensations: Sequence[Compensation]) -> UndoReport:
    """Run compensations one after another and report on each; a failing one stops nothing."""
    undone: list[Undone] = []
    left_behind: list[LeftBehind] = []
    for compensation in compensations:
        try:
            answer = await compensation.run()
        except (FailureError, PipelineError) as error:
            failure = failure_of(error)
            left_behind.append(
                LeftBehind(what=compensation.what, reason=failure.reason, error=failure.error)
            )
        else:
            undone.append(Undone(what=compensation.what, answer=answer.model_dump(mode="json")))
    return UndoReport(undone=tuple(undone), left_behind=tuple(left_behind))
