"""What a compensation is asked and what it answers."""

from workflows.messages.message import Message


class CleanupRequest(Message):
    """Undo what a step did for a run, whether or not it did anything.

    Known before the step it undoes has begun: ``key`` is the effect key of the run.
    """

    key: str


class Cleaned(Message):
    """What was removed, in words for people; nothing when there was nothing to undo."""

    removed: tuple[str, ...] = ()
