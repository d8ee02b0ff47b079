"""A Temporal that answers as it is told to, and keeps what it was asked."""

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from bridge.operations.calls import (
    CallError,
    EndActivityCall,
    Run,
    SignalCall,
    StartActivityCall,
    StartCall,
    UpdateAnswer,
    UpdateCall,
)

Answer = TypeVar("Answer")

GONE = CallError("NOT_FOUND", "workflow not found")
AWAY = CallError("UNAVAILABLE", "away")
NO_NAMESPACE = CallError("NOT_FOUND", "Namespace x is not found.", namespace_missing=True)


def taken(run_id: str, by: object = "") -> CallError:
    """The refusal of a start whose workflow id a run holds."""
    holder = Run(run_id=run_id, start_request_id=str(by))
    return CallError("ALREADY_EXISTS", "already started", already_started=holder)


class Script:
    """Each method takes its next answer; an error is raised. A call nobody foresaw fails the test."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, list[Any]] = {
            name: list(value) if isinstance(value, list) else [value]
            for name, value in answers.items()
        }
        self.asked: list[tuple[Any, ...]] = []

    @property
    def order(self) -> list[str]:
        """The methods in the order in which they were called."""
        return [asked[0] for asked in self.asked]

    @property
    def done(self) -> bool:
        """Whether every answer was taken."""
        return not any(self.answers.values())

    async def start(self, call: StartCall) -> Run:
        return self._answer(Run, "start", call)

    async def signal(self, call: SignalCall) -> str:
        return self._answer(str, "signal", call)

    async def signal_with_start(self, start: StartCall, signal: SignalCall) -> Run:
        return self._answer(Run, "signal_with_start", start, signal)

    async def update(self, call: UpdateCall) -> UpdateAnswer:
        return self._answer(UpdateAnswer, "update", call)

    async def update_with_start(self, start: StartCall, update: UpdateCall) -> UpdateAnswer:
        return self._answer(UpdateAnswer, "update_with_start", start, update)

    async def cancel(self, workflow_id: str, first_run_id: str, request_id: UUID) -> None:
        self._answer(type(None), "cancel", workflow_id, first_run_id, request_id)

    async def terminate(self, workflow_id: str, first_run_id: str, reason: str) -> None:
        self._answer(type(None), "terminate", workflow_id, first_run_id, reason)

    async def start_activity(self, call: StartActivityCall) -> Run:
        return self._answer(Run, "start_activity", call)

    async def end_activity(self, call: EndActivityCall) -> None:
        self._answer(type(None), "end_activity", call)

    async def activity_ended(self, call: EndActivityCall, since: datetime) -> bool:
        return self._answer(bool, "activity_ended", call, since)

    async def describe(self, workflow_id: str, run_id: str = "") -> Run:
        return self._answer(Run, "describe", workflow_id, run_id)

    async def received(
        self, workflow_id: str, run_id: str, request_id: UUID, since: datetime
    ) -> bool:
        return self._answer(bool, "received", workflow_id, run_id, request_id, since)

    def _answer(self, kind: type[Answer], name: str, *asked: Any) -> Answer:
        self.asked.append((name, *asked))
        answers = self.answers.get(name)
        if not answers:
            raise AssertionError(f"nobody should have called {name}{asked}")
        answer = answers.pop(0)
        if isinstance(answer, CallError):
            raise answer
        if not isinstance(answer, kind):
            raise TypeError(f"{answer!r} is no answer to {name}")
        return answer
