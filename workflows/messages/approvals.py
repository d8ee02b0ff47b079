"""What people are asked, what they answer, and what came of it."""

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
    """How long people have, and when they are reminded and passed over.

    Unset, ``remind_every`` and ``escalate_after`` mean never. Those in ``escalate_to`` may answer
    once it was escalated to them, and not before.
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
    """Whether who confirms must be another than who approved."""


class Asked(Message):
    """The data of ``….…-requested.v1``: a question that is open until it is decided.

    ``request`` is its id. It is answered by an event of type ``answer_with`` whose data are an
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
    """The data of an event that answers.

    ``who`` is what the event's publisher says. The right to publish on that subject is therefore
    the right to answer in anybody's name: give it to none but the system that knows its users.
    """

    model_config = ConfigDict(populate_by_name=True)

    workflow_id: str | None = None
    request: str | None = None
    """The question; who leaves it out answers the one that is open."""
    who: str = Field(min_length=1)
    approved: StrictBool
    why: str = Field(default="", validation_alias=AliasChoices("why", "reason"))


class Confirmation(Answer):
    """An answer to the question whether it is really meant; to confirm is to approve again."""

    approved: StrictBool = Field(
        default=True, validation_alias=AliasChoices("approved", "confirmed")
    )


class Reminder(Message):
    """The data of ``….…-reminded.v1`` and ``….…-escalated.v1``."""

    request: str
    may_answer: tuple[str, ...]
    until: datetime


class AnswerRefused(Message):
    """The data of ``….…-refused.v1``: an answer that does not count, and why."""

    reason: str
    request: str | None = None
    """The question that is open; none when there is none any more."""
    who: str | None = None
    event: str | None = None
    """The id of the event that brought it; none when what came was no event."""
    source: str | None = None
    answer: JsonValue = None


class NotTold(Message):
    """The data of ``….…-not-told.v1``: a notification that nobody took."""

    request: str
    to: tuple[str, ...]
    reason: str


class ApprovalVerdict(StrEnum):
    """What came of a question."""

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
    """How many answers did not count."""

    @property
    def granted(self) -> bool:
        """Whether it may go on."""
        return self.verdict is ApprovalVerdict.GRANTED


# The messages of the notifier.


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
