"""The phases of a run: the answer to its query ``phases``."""

from datetime import datetime
from enum import StrEnum

from workflows.messages.message import Message


class PhaseState(StrEnum):
    """The state of a phase."""

    AHEAD = "ahead"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


class Phase(Message):
    """One phase; times are by the workflow's clock."""

    name: str
    state: PhaseState = PhaseState.AHEAD
    began: datetime | None = None
    ended: datetime | None = None


class PhaseReport(Message):
    """All phases, in planned order; unplanned ones in the order of their start."""

    current: str | None = None
    phases: tuple[Phase, ...] = ()
