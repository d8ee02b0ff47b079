"""The request and the answer of the emit activity, and the data of failed runs."""

from pydantic import Field, JsonValue

from workflows.messages.code_generation import Round
from workflows.messages.message import Message

_STREAM = "run-"
_NAMESPACE_AND_TYPE = 3


def stream_of(workflow_id: str) -> str:
    """Return the store's stream of the events that the runs of a workflow id emit."""
    return f"{_STREAM}{workflow_id}"


def run_of(stream: str) -> str | None:
    """Return the workflow id of this stream; None for another kind of stream."""
    return stream.removeprefix(_STREAM) if stream.startswith(_STREAM) else None


def namespace_of(source: str) -> str | None:
    """Return the Temporal namespace in the ``source`` of a result event; None if it has none."""
    parts = source.split("/")
    return parts[2] if len(parts) > _NAMESPACE_AND_TYPE and parts[1] == "temporal" else None


class ResultEvent(Message):
    """The part of a result event that workflow code decides; the bridge adds the rest.

    It depends on recorded history only, so a retried emit appends the identical event.
    """

    type: str
    data: JsonValue


class Emitted(Message):
    """The ids of the events in the store, in the order of the request."""

    ids: tuple[str, ...]


class Failed(Message):
    """The data of every pipeline's ``….failed.v1``.

    ``error`` is the name of an error in ``workflows.errors``, of Temporal's timeout or of another
    exception of an activity. ``step`` is the activity that failed, absent if the workflow itself
    failed. ``phase`` is the phase in which the run failed, absent for a workflow without phases.
    ``reason`` is text. ``rounds`` is there if generated code did not pass: all versions.
    """

    reason: str
    error: str
    step: str | None = None
    phase: str | None = None
    cancelled: bool = False
    rounds: tuple[Round, ...] = Field(default=(), exclude_if=lambda rounds: not rounds)
