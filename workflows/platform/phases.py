"""How far a run has come, where people look.

.. code-block:: python

    phases = Phases(Step)  # an enumeration, or any names in order
    phases.begin(Step.PLAN)
    plan = await steps.plan_infra(request)
    phases.begin(Step.PROVISION)

While a phase runs its name is in

* the search attribute ``Phase``: ``temporal workflow list --query "Phase = 'deploy'"``,
* the run's current details, a list that Temporal's web UI shows,
* the answer to the query ``phases``, a ``PhaseReport``.

A run that has failed keeps the last phase it began: the one it failed in, or that of undoing.
The search attribute must be registered (``ntbridge migrate`` does that); until it is, Temporal
holds up the run at its first phase and loses nothing.
"""

from collections.abc import Iterable

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from workflows.messages.phases import Phase, PhaseReport, PhaseState

ATTRIBUTE = SearchAttributeKey.for_keyword("Phase")
QUERY = "phases"

_MARKS = {
    PhaseState.AHEAD: "·",
    PhaseState.RUNNING: "▶",
    PhaseState.DONE: "✓",
    PhaseState.SKIPPED: "○",
    PhaseState.FAILED: "✗",
}


class Phases:
    """The phases of the current run. Make one in ``run``, and only there.

    Args:
        planned: The names of the phases ahead, in order.
    """

    def __init__(self, planned: Iterable[str] = ()) -> None:
        self._phases = {str(name): Phase(name=str(name)) for name in planned}
        self._current: str | None = None
        workflow.set_query_handler(QUERY, self.report)

    def begin(self, name: str) -> None:
        """Say that a phase begins, and that the one before it is done."""
        self._end_current()
        self._phases[str(name)] = Phase(
            name=str(name), state=PhaseState.RUNNING, began=workflow.now()
        )
        self._current = str(name)
        workflow.upsert_search_attributes([ATTRIBUTE.value_set(str(name))])
        self._show()

    def skip(self, name: str) -> None:
        """Say that a phase is left out."""
        self._phases[str(name)] = Phase(name=str(name), state=PhaseState.SKIPPED)
        self._show()

    def done(self) -> None:
        """Say that the last phase is done too."""
        self._end_current()
        self._show()

    def failed(self) -> None:
        """Say that the phase that runs has failed."""
        self._end_current(PhaseState.FAILED)
        self._show()

    def report(self) -> PhaseReport:
        """Answer the query."""
        return PhaseReport(current=self._current, phases=tuple(self._phases.values()))

    def _end_current(self, state: PhaseState = PhaseState.DONE) -> None:
        if self._current is not None:
            ended = {"state": state, "ended": workflow.now()}
            self._phases[self._current] = self._phases[self._current].model_copy(update=ended)
            self._current = None

    def _show(self) -> None:
        workflow.set_current_details(details(self.report()))


def details(report: PhaseReport) -> str:
    """Return the phases as a list in Markdown."""
    return "\n".join(f"- {_MARKS[phase.state]} {_name(phase)}" for phase in report.phases)


def _name(phase: Phase) -> str:
    return f"**{phase.name}**" if phase.state is PhaseState.RUNNING else phase.name
