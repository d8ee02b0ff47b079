"""The progress of a pipeline, from its result events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflows.pipelines.catalogue import Pipeline, Stage

AHEAD, RUNNING, DONE, WARNED, SKIPPED, FAILED = (
    "ahead",
    "running",
    "done",
    "warned",
    "skipped",
    "failed",
)
COMPLETED = "completed"
_MAX_NOTE = 160
"""Characters of a finding on the screen."""


@dataclass
class StageLine:
    """One phase on the screen; ``seconds`` is its duration."""

    phase: str
    state: str = AHEAD
    seconds: float | None = None
    note: str = ""


@dataclass
class Stages:
    """The phases of one run, updated by its result events.

    Attributes:
        pipeline: The pipeline that runs.
        began: Start, in seconds, by the clock of the event times.
        outcome: `COMPLETED`, ``failed``, or the run's own status, such as ``rejected``; None
            until the run ends.
        reason: Why the run did not complete, or its warning.
    """

    pipeline: Pipeline
    began: float
    steps: list[StageLine] = field(init=False)
    outcome: str | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        self.steps = [StageLine(stage.phase) for stage in self.pipeline.stages]
        self.steps[0].state = RUNNING
        self._since = self.began

    def take(self, name: str, data: Mapping[str, Any], at: float) -> StageLine | None:
        """Apply a result event.

        Args:
            name: The last part of its topic.
            data: Its data.
            at: When it was emitted, in seconds.

        Returns:
            The phase that it changes; None when it is about the whole run.
        """
        for number, stage in enumerate(self.pipeline.stages):
            if name in (*stage.done, *stage.warned):
                return self._end(number, stage, name, data, at)
            if name in stage.repeated:
                return self._repeat(number, data, at)
        return None

    def _repeat(self, number: int, data: Mapping[str, Any], at: float) -> StageLine:
        """Note that a version of the code did not pass, and that the next one is written."""
        self._skip_before(number)
        step = self.steps[number]
        step.state = RUNNING
        step.note = f"round {data.get('number')}: {_found(data)}"
        self._spend(step, at)
        return step

    def ask(self, data: Mapping[str, Any]) -> str:
        """Apply a question to people; return it as text."""
        who = ", ".join(map(str, data.get("may_answer", ())))
        text = f"waits for an answer of {who} until {data.get('until')}: ntbridge approvals ls"
        for step in self.steps:
            if step.state == RUNNING:
                step.note = text
        return text

    def close(self, data: Mapping[str, Any], at: float, *, failed: bool) -> None:
        """Apply the closing event: a failure, or the ``status`` that the run reports."""
        self.outcome = "failed" if failed else str(data.get("status", COMPLETED)).lower()
        well = self.outcome == COMPLETED
        self._fail_in(data.get("phase"))
        self.reason = "; ".join(data.get("warnings") or ()) if well else _closing(data)
        for step in self.steps:
            if step.state == RUNNING:
                step.state = SKIPPED if well else FAILED
                step.note = ""
                self._spend(step, at)

    def _fail_in(self, phase: object) -> None:
        """Make the phase in which the run failed the running one.

        Its event may have been emitted before the failure: a report of tests that failed, say.
        """
        number = next((n for n, step in enumerate(self.steps) if step.phase == phase), None)
        if number is None:
            return  # the closing event names none, or one that is not shown
        self._skip_before(number)
        for later in self.steps[number + 1 :]:
            later.state = AHEAD
        step = self.steps[number]
        step.state = RUNNING

    def _skip_before(self, number: int) -> None:
        for passed in self.steps[:number]:
            if passed.state in (AHEAD, RUNNING):
                passed.state = SKIPPED

    def _spend(self, step: StageLine, at: float) -> None:
        """Add the time since the last change to a phase, which may run more than once."""
        step.seconds = (step.seconds or 0.0) + at - self._since
        self._since = at

    def _end(
        self, number: int, stage: Stage, name: str, data: Mapping[str, Any], at: float
    ) -> StageLine:
        self._skip_before(number)
        step = self.steps[number]
        step.state = WARNED if name in stage.warned else DONE
        step.note = str(data.get("reason", "")) if step.state == WARNED else ""
        self._spend(step, at)
        if number + 1 < len(self.steps) and self.steps[number + 1].state == AHEAD:
            self.steps[number + 1].state = RUNNING
        return step


def _found(data: Mapping[str, Any]) -> str:
    """Return what was found in a version of the code."""
    found = [each for each in data.get("findings") or () if isinstance(each, Mapping)]
    first = next((each for each in found if not each.get("style")), None)
    if first is None:
        return "it does not pass"
    line = f" in line {first['line']}" if first.get("line") else ""
    text = f"{first.get('check')} {first.get('rule')}{line}: {first.get('message')}"
    return " ".join(text.split())[:_MAX_NOTE]


def _closing(data: Mapping[str, Any]) -> str:
    """Return why a run failed, and what was undone and what was not."""
    parts = [_why(data)]
    if undone := data.get("undone"):
        parts.append(f"undone: {', '.join(each['what'] for each in undone)}")
    if left := data.get("left_behind"):
        kept = ", ".join(f"{each['what']} ({each['reason']})" for each in left)
        parts.append(f"NOT undone: {kept}")
    return "; ".join(parts)


def _why(data: Mapping[str, Any]) -> str:
    """Return the reason from the workflow, or from the bridge if the workflow gave none."""
    failure = data.get("failure")
    reported = failure.get("message") if isinstance(failure, Mapping) else None
    return str(data.get("reason") or reported or f"the run was {data.get('status', 'ended')}")
