"""What the emit activity is given: result events, complete but for their ids."""

from uuid import UUID

from pydantic import Field, JsonValue

from workflows.messages.message import Message


class ResultEvent(Message):
    """A result event as workflow code decided it.

    Everything in it comes from recorded history, ``time`` (RFC 3339) included, so that an
    emit that is retried appends the identical event.
    """

    type: str
    source: str
    subject: str
    topic: str
    time: str
    data: JsonValue
    extensions: dict[str, str | int] = Field(default_factory=dict)
    correlation_id: str
    correlation_uid: UUID
    causation_uid: UUID | None = None


class EmitRequest(Message):
    """Events to append in one commit; their place in the tuple is part of their identity."""

    events: tuple[ResultEvent, ...]


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
