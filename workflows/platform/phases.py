"""The phases of a run, visible in Temporal.

.. code-block:: python

    phases = Phases(Step)  # an enumeration, or any names in order
    phases.begin(Step.PLAN)
    plan = await steps.plan_infra(request)
    phases.begin(Step.PROVISION)

While a phase runs its name is in

* the search attribute ``Phase``: ``temporal workflow list --query "Phase = 'deploy'"``,
* the run's current details, a list that Temporal's web UI shows,
* the answer to the query ``phases``, a ``PhaseReport``,
* a log line of the worker, ``phase begins`` or ``phase failed``.

A failed run keeps its last phase: the one in which it failed, or the undoing. The search attribute
must be registered (``ntbridge migrate`` does that); until then the run waits at its first phase.
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
        planned: The names of the planned phases, in order.
    """

    def __init__(self, planned: Iterable[str] = ()) -> None:
        self._phases = {str(name): Phase(name=str(name)) for name in planned}
        self._current: str | None = None
        workflow.set_query_handler(QUERY, self.report)

    def begin(self, name: str) -> None:
        """Start a phase; the previous one is done."""
        self._end_current()
        self._phases[str(name)] = Phase(
            name=str(name), state=PhaseState.RUNNING, began=workflow.now()
        )
        self._current = str(name)
        workflow.logger.info("phase begins", extra={"phase": self._current})
        workflow.upsert_search_attributes([ATTRIBUTE.value_set(str(name))])
        self._show()

    def skip(self, name: str) -> None:
        """Mark a phase as skipped."""
        self._phases[str(name)] = Phase(name=str(name), state=PhaseState.SKIPPED)
        self._show()

    def done(self) -> None:
        """Mark the last phase as done."""
        self._end_current()
        self._show()

    def failed(self) -> None:
        """Mark the current phase as failed."""
        workflow.logger.warning("phase failed", extra={"phase": self._current})
        self._end_current(PhaseState.FAILED)
        self._show()

    @property
    def current(self) -> str | None:
        """The phase that runs."""
        return self._current

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
