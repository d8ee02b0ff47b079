"""What an inbox takes in, refuses and carries on."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from eventstore.events import uid
from workflows.messages.message import Message


class Envelope(BaseModel):
    """A CloudEvent as the bridge sends it: JSON format, extension attributes and all."""

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
    """One for each event, route and generation: what has the same one is the same signal."""
    bridgeroute: str | None = None

    @property
    def uid(self) -> UUID:
        """The event's identity."""
        return uid(self.source, self.id)

    @property
    def key(self) -> str:
        """What tells a repeat. Who sends without the bridge has the event's identity only."""
        return self.bridgerequest or str(self.uid)

    @property
    def extensions(self) -> dict[str, Any]:
        """The other extension attributes."""
        return dict(self.model_extra or {})


class Arrival(Message):
    """An envelope, and the name of the signal or update it came with."""

    name: str
    envelope: Envelope


class Refused(Message):
    """Something that arrived and is no envelope."""

    name: str
    """Of the signal."""
    reason: str
    beginning: str
    """Of what arrived, as text."""


class InboxState(Message):
    """What a run hands on to the one that continues it."""

    seen: tuple[str, ...] = ()
    """Keys, the oldest first."""
    waiting: tuple[Arrival, ...] = ()
    refused: tuple[Refused, ...] = ()


class Receipt(Message):
    """The answer to an update."""

    duplicate: bool
