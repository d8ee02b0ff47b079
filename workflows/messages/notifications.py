"""The messages of the notifier."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue

from workflows.messages.message import Message


class Notification(Message):
    """Something that people must hear of. ``id`` tells repeats: one for each notification."""

    id: str = Field(min_length=1)
    kind: str
    """The type of the result event that says the same."""
    title: str
    text: str
    to: tuple[str, ...] = ()
    """Whom it is for: people or teams, as the receiving side knows them."""
    severity: Literal["info", "warning", "critical"] = "info"
    workflow_id: str
    data: Mapping[str, JsonValue] = Field(default_factory=dict)


class Notified(Message):
    """How it was sent."""

    id: str
    channel: str
