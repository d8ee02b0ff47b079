"""What the emit activity is given, what it answers, and what a run says that has failed."""

from pydantic import JsonValue

from workflows.messages.message import Message

_STREAM = "run-"


def stream_of(workflow_id: str) -> str:
    """Return the store's stream of what the runs of a workflow id have told."""
    return f"{_STREAM}{workflow_id}"


def run_of(stream: str) -> str | None:
    """Return the workflow id whose stream this is, None when it is another kind of stream."""
    return stream.removeprefix(_STREAM) if stream.startswith(_STREAM) else None


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
