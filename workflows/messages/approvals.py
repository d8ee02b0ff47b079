"""Questions to people, their answers, and the decisions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import AliasChoices, ConfigDict, Field, JsonValue, StrictBool

from workflows.messages.durations import Duration
from workflows.messages.message import Message

_DAY = timedelta(hours=24)
_MAX_WAIT = timedelta(days=30)
_SHORTEST = timedelta(seconds=1)


class Terms(Message):
    """How long a question stays open, and when people are reminded or others are asked too.

    Without a value, ``remind_every`` and ``escalate_after`` mean never. People in ``escalate_to``
    may answer only after the escalation.
    """

    answer_within: Duration = Field(default=_DAY, ge=_SHORTEST, le=_MAX_WAIT)
    confirm_within: Duration = Field(default=_DAY, ge=_SHORTEST, le=_MAX_WAIT)
    remind_every: Duration | None = Field(
        default=timedelta(hours=8), ge=_SHORTEST, le=_MAX_WAIT
    )
    escalate_after: Duration | None = Field(
        default=timedelta(hours=16), ge=_SHORTEST, le=_MAX_WAIT
    )
    escalate_to: tuple[str, ...] = ()
    two_people: bool = False
    """Whether the person who confirms must differ from the one who approved."""


class Asked(Message):
    """The data of ``….…-requested.v1``: a question; it is open until it is decided.

    ``request`` is its id. An answer is an event of type ``answer_with`` whose data is an
    ``Answer`` with this ``workflow_id`` and ``request``.
    """

    request: str
    workflow_id: str
    question: str
    details: JsonValue = None
    may_answer: tuple[str, ...]
    until: datetime
    answer_with: str


class Answer(Message):
    """The data of an event that answers a question.

    ``who`` is claimed by the event's publisher. Permission to publish on that subject is therefore
    permission to answer for anyone: give it only to the system that authenticates its users.
    """

    model_config = ConfigDict(populate_by_name=True)

    workflow_id: str | None = None
    request: str | None = None
    """The id of the question; default: the open one."""
    who: str = Field(min_length=1)
    approved: StrictBool
    why: str = Field(default="", validation_alias=AliasChoices("why", "reason"))


class Confirmation(Answer):
    """An answer to a request for confirmation; to confirm is to approve again."""

    approved: StrictBool = Field(
        default=True, validation_alias=AliasChoices("approved", "confirmed")
    )


class Reminder(Message):
    """The data of ``….…-reminded.v1`` and ``….…-escalated.v1``."""

    request: str
    may_answer: tuple[str, ...]
    until: datetime


class AnswerRefused(Message):
    """The data of ``….…-refused.v1``: an invalid answer, and why it is invalid."""

    reason: str
    request: str | None = None
    """The open question; None if none is open."""
    who: str | None = None
    event: str | None = None
    """The id of the answer's event; None if the signal was not an event."""
    source: str | None = None
    answer: JsonValue = None


class NotTold(Message):
    """The data of ``….…-not-told.v1``: a notification that no receiver accepted."""

    request: str
    to: tuple[str, ...]
    reason: str


class ApprovalVerdict(StrEnum):
    """The outcome of a question."""

    GRANTED = "granted"
    DENIED = "denied"
    TIMED_OUT = "timed-out"


class Decision(Message):
    """The data of ``….…-granted.v1``, ``….…-denied.v1`` and ``….…-timed-out.v1``."""

    request: str
    verdict: ApprovalVerdict
    who: str | None = None
    why: str = ""
    at: datetime
    event: str | None = None
    """The id of the event that answered."""
    source: str | None = None
    refused: int = 0
    """The number of invalid answers."""

    @property
    def granted(self) -> bool:
        """Whether the run may continue."""
        return self.verdict is ApprovalVerdict.GRANTED


# The messages of the notifier.


class Notification(Message):
    """A notification for people. ``id`` is its deduplication key."""

    id: str = Field(min_length=1)
    kind: str
    """The type of the result event with the same content."""
    title: str
    text: str
    to: tuple[str, ...] = ()
    """The recipients: people or teams, by their names in the receiving system."""
    severity: Literal["info", "warning", "critical"] = "info"
    workflow_id: str
    data: Mapping[str, JsonValue] = Field(default_factory=dict)


class Notified(Message):
    """How it was sent."""

    id: str
    channel: str
