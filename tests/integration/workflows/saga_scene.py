"""A workflow with a saga over activities that do nothing but note that they were called."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

from workflows.activities.heartbeats import heartbeating
from workflows.errors import PermanentError
from workflows.messages.message import Message
from workflows.messages.phases import PhaseReport
from workflows.messages.undoing import UndoReport
from workflows.platform.failures import failure_of
from workflows.platform.phases import Phases
from workflows.platform.policies import Policy
from workflows.platform.saga import Saga
from workflows.platform.step import Step

QUICK = Policy(
    start_to_close=timedelta(seconds=30),
    heartbeat=timedelta(seconds=1),
    retry=RetryPolicy(
        initial_interval=timedelta(milliseconds=10), maximum_attempts=3, backoff_coefficient=1
    ),
    waits=True,
)


class Note(Message):
    name: str


do = Step(name="scene.do", takes=Note, gives=Note, policy=QUICK, summary="do")
undo = Step(name="scene.undo", takes=Note, gives=Note, policy=QUICK, summary="undo")


class Phase(StrEnum):
    ONE = "one"
    TWO = "two"
    THREE = "three"


class Told(Message):
    """How the scene ended."""

    error: str | None
    report: UndoReport
    phases: PhaseReport


@workflow.defn(name="SagaScene")
class SagaScene:
    @workflow.run
    async def run(self) -> Told:
        saga, phases = Saga(), Phases(Phase)
        try:
            for name in Phase:
                phases.begin(name)
                saga.on_failure(f"undo {name}", undo, Note(name=name), policy=QUICK)
                await do(Note(name=name))
        except (FailureError, PermanentError, asyncio.CancelledError) as error:
            report = await saga.undo()
            return Told(error=failure_of(error).error, report=report, phases=phases.report())
        phases.done()
        return Told(error=None, report=UndoReport(), phases=phases.report())


@dataclass
class Scene:
    """The activities; the names in the sets say which of them do what."""

    failing: set[str] = field(default_factory=set)
    unmendable: set[str] = field(default_factory=set)
    """Whose compensation always fails."""
    flaky: set[str] = field(default_factory=set)
    """Whose compensation fails the first time."""
    slow: set[str] = field(default_factory=set)
    """That take a moment to end when they are cancelled."""
    stubborn: set[str] = field(default_factory=set)
    """That end well although they are cancelled."""
    held: set[str] = field(default_factory=set)
    """Whose compensation waits for `release`."""
    release: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    log: list[str] = field(default_factory=list)

    @activity.defn(name=do.name)
    async def do(self, note: Note) -> Note:
        self.log.append(f"do {note.name}")
        if note.name in self.failing:
            raise ApplicationError(
                f"{note.name} is not to be had", type="Refused", non_retryable=True
            )
        if note.name in self.slow | self.stubborn:
            await self._stand_still(note.name)
        return note

    @activity.defn(name=undo.name)
    async def undo(self, note: Note) -> Note:
        self.log.append(f"undo {note.name}")
        if note.name in self.unmendable:
            raise RuntimeError("locked")
        if note.name in self.flaky and activity.info().attempt == 1:
            raise RuntimeError("not yet")
        if note.name in self.held:
            self.reached.set()
            await self.release.wait()
        return note

    async def _stand_still(self, name: str) -> None:
        self.reached.set()
        try:
            async with heartbeating():
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)  # it takes a moment to stop what it does
            self.log.append(f"ended {name}")
            if name not in self.stubborn:
                raise
