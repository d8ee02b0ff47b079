"""The report of a saga: what it undid and what it could not undo."""

from pydantic import Field, JsonValue

from workflows.messages.message import Message
from workflows.messages.result_events import Failed


class Undone(Message):
    """A compensation that succeeded; ``answer`` is its result."""

    what: str
    answer: JsonValue = None


class LeftBehind(Message):
    """A compensation that failed permanently: a person must undo the effect."""

    what: str
    reason: str
    error: str


class UndoReport(Message):
    """The results of the compensations, in the order in which they ran."""

    undone: tuple[Undone, ...] = ()
    left_behind: tuple[LeftBehind, ...] = ()


class FailedAndUndone(Failed):
    """The data of ``….failed.v1`` of a pipeline that undoes its effects."""

    undone: tuple[Undone, ...] = Field(default=())
    left_behind: tuple[LeftBehind, ...] = Field(default=())


# The request and the answer of a compensation.


class CleanupRequest(Message):
    """Undo the effects of a step, if there are any.

    It is known before the step starts: ``key`` is the effect key of the run.
    """

    key: str


class Cleaned(Message):
    """What was removed, as text; empty if there was nothing to undo."""

    removed: tuple[str, ...] = ()
