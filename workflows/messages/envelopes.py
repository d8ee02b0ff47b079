"""The envelopes and the state of an inbox."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from eventstore.events import uid
from workflows.messages.message import Message


class Envelope(BaseModel):
    """A CloudEvent as the bridge sends it: JSON format, including extension attributes."""

    model_config = ConfigDict(frozen=True, extra="allow")

    specversion: str = Field(pattern=r"^1\.0$")
    id: str = Field(min_length=1)
    source: str = Field(min_length=1)
    type: str = Field(min_length=1)
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: Any = None
    data_base64: str | None = None
    bridgerequest: str | None = None
    """The id for one event, route and generation: the same id means the same signal."""
    bridgeroute: str | None = None

    @property
    def uid(self) -> UUID:
        """The event's identity."""
        return uid(self.source, self.id)

    @property
    def key(self) -> str:
        """The deduplication key. An event sent without the bridge has only its identity."""
        return self.bridgerequest or str(self.uid)

    @property
    def extensions(self) -> dict[str, Any]:
        """The other extension attributes."""
        return dict(self.model_extra or {})


class Arrival(Message):
    """An envelope, and the name of its signal or update."""

    name: str
    envelope: Envelope


class Refused(Message):
    """A signal that is not an envelope."""

    name: str
    """The name of the signal."""
    reason: str
    beginning: str
    """The beginning of its argument, as text."""


class InboxState(Message):
    """The state that a run passes to its successor when it continues as new."""

    seen: tuple[str, ...] = ()
    """Deduplication keys, oldest first."""
    waiting: tuple[Arrival, ...] = ()
    refused: tuple[Refused, ...] = ()


class Receipt(Message):
    """The answer to an update."""

    duplicate: bool
