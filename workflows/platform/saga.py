"""Compensations: they undo the effects of a run that fails.

.. code-block:: python

    saga = Saga()
    ...
    saga.on_failure("roll the environment back", qinfra.rollback_infra, UndoRequest(...))
    provisioned = await qinfra.provision_infra(plan, policy=SAGA)

and ``conclude(…, undo=…)``, with a function that calls ``saga.undo_and_report``, runs the registered
compensations in reverse order. The closing event then lists what was undone and what was not.

*Registered before its step.* A step that fails, or whose worker dies, may still have had its
effect. So a compensation must be safe when there is nothing to undo. It finds the effect by a
key that is known before the step starts.

*On any failure, including cancellation.* While it undoes, the run ignores further cancellations.
Steps with a compensation use a policy that waits until a cancelled activity has ended
(``policies.SAGA``), so a step never runs at the same time as its compensation.

*An effect that stays is reported.* A step that succeeded marks its compensation
(``Compensation.took_effect``). If the compensation then answers that it undid nothing
(``undone`` or ``removed`` is false), the effect counts as left behind, not as undone.

*Separate retries* (``policies.COMPENSATION``). A compensation that used up its attempts is
reported as left behind; the others still run.

*A bug is not a failure.* Any other exception fails the workflow task, and the run keeps its
compensations until a corrected worker is deployed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
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

NOTHING_UNDONE = "NothingUndone"
"""The ``error`` of an effect whose compensation found nothing to undo."""

Taken = TypeVar("Taken", bound=Message)
Given = TypeVar("Given", bound=Message)


@dataclass
class Compensation:
    """A compensation, with a description for people."""

    what: str
    run: Callable[[], Awaitable[Message]]
    needed: bool = False
    """Whether the step is known to have taken effect."""

    def took_effect(self) -> None:
        """Record that the step succeeded: there is something to undo."""
        self.needed = True


class Saga:
    """The compensations of the current run."""

    def __init__(self) -> None:
        self._registered: list[Compensation] = []

    @property
    def registered(self) -> tuple[str, ...]:
        """Descriptions of the compensations, in order of registration."""
        return tuple(compensation.what for compensation in self._registered)

    def on_failure(
        self,
        what: str,
        step: Step[Taken, Given],
        message: Taken,
        *,
        policy: Policy = COMPENSATION,
    ) -> Compensation:
        """Register the compensation of the next step, and return it.

        Args:
            what: Description for people.
            step: The compensation; safe when there is nothing to undo.
            message: Its argument; must not depend on the result of the step.
            policy: Its timeouts and retries.
        """

        async def run() -> Message:
            return await step(message, summary=what, policy=policy)

        compensation = Compensation(what, run)
        self._registered.append(compensation)
        return compensation

    async def undo(self) -> UndoReport:
        """Run all compensations in reverse order, each once.

        A cancellation during the call is ignored.
        """
        last_first, self._registered = self._registered[::-1], []
        undoing = asyncio.create_task(unwind(last_first))
        while True:
            try:
                return await asyncio.shield(undoing)
            except asyncio.CancelledError:
                if undoing.cancelled():  # not by the run's cancellation: it is being torn down
                    raise

    async def undo_and_report(
        self, phases: Phases, results: ResultEvents, *, phase: str, emits: str
    ) -> UndoReport:
        """Mark the current phase as failed, undo in a separate phase, and emit the report.

        Without compensations there is no such phase and no report.
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
    """Run compensations one after another and report on each; a failure stops no other."""
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
            said = answer.model_dump(mode="json")
            if compensation.needed and _undid_nothing(said):
                left_behind.append(
                    LeftBehind(
                        what=compensation.what,
                        reason=f"the step took effect, and its compensation undid nothing: {said}",
                        error=NOTHING_UNDONE,
                    )
                )
            else:
                undone.append(Undone(what=compensation.what, answer=said))
    return UndoReport(undone=tuple(undone), left_behind=tuple(left_behind))


def _undid_nothing(answer: Mapping[str, object]) -> bool:
    return answer.get("undone") is False or answer.get("removed") is False
