"""What the emit activity is given, what it answers, and what a run says that has failed."""

from pydantic import JsonValue

from workflows.messages.message import Message


class ResultEvent(Message):
    """A result event as workflow code decides it; the bridge knows the rest.

    It comes from recorded history alone, so that an emit that is tried again appends the
    identical event.
    """

    type: str
    data: JsonValue


class Emitted(Message):
    """The ids under which the events stand in the store, in the order of the request."""

    ids: tuple[str, ...]


class Failed(Message):
    """The data of every pipeline's ``….failed.v1``.

    ``error`` is the name of an error in ``workflows.errors``, of Temporal's timeout or of
    whatever an activity raised; ``step`` the activity that failed, absent when it was the
    workflow itself; ``reason`` is for people.
    """

    reason: str
    error: str
    step: str | None = None
    cancelled: bool = False
