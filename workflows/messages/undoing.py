"""What a saga has undone, and what it could not."""

from pydantic import Field, JsonValue

from workflows.messages.message import Message
from workflows.messages.result_events import Failed


class Undone(Message):
    """A compensation that ran to its end; ``answer`` is what it said of it."""

    what: str
    answer: JsonValue = None


class LeftBehind(Message):
    """A compensation that failed for good: somebody must look after what it was for."""

    what: str
    reason: str
    error: str


class UndoReport(Message):
    """What became of the compensations, in the order in which they were tried."""

    undone: tuple[Undone, ...] = ()
    left_behind: tuple[LeftBehind, ...] = ()


class FailedAndUndone(Failed):
    """The data of ``….failed.v1`` of a pipeline that undoes what it did."""

    undone: tuple[Undone, ...] = Field(default=())
    left_behind: tuple[LeftBehind, ...] = Field(default=())


# What a compensation is asked and what it answers.


class CleanupRequest(Message):
    """Undo what a step did for a run, whether or not it did anything.

    Known before the step it undoes has begun: ``key`` is the effect key of the run.
    """

    key: str


class Cleaned(Message):
    """What was removed, in words for people; nothing when there was nothing to undo."""

    removed: tuple[str, ...] = ()
