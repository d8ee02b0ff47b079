"""How far a run has come, as its query ``phases`` tells."""

from datetime import datetime
from enum import StrEnum

from workflows.messages.message import Message


class PhaseState(StrEnum):
    """What has become of a phase."""

    AHEAD = "ahead"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Phase(Message):
    """One phase; times by the workflow's clock."""

    name: str
    state: PhaseState = PhaseState.AHEAD
    began: datetime | None = None
    ended: datetime | None = None


class PhaseReport(Message):
    """All phases, in the order in which they were planned or, unplanned, begun."""

    current: str | None = None
    phases: tuple[Phase, ...] = ()
