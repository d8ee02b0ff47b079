"""The notice of a dead letter on NATS: its content and its subject. Pure.

A CloudEvent of type ``<type_prefix>.bridge.dead-lettered.v1`` on ``deadletters.<stage>.<route>``. Its id is derived from the store's
incarnation and the letter's number, so receivers recognise a repeated notice. It has no bytes of
the message, which may be large or confidential: ``ntbridge dead-letters show`` prints them.

=================  ===========================================================
``source``         ``/ntbridge/dead-letters``
``subject``        the letter's number
``time``           when the letter was recorded
``correlationid``  of the event, if it is stored and not very long
``causationid``    the event's id, if it is stored and not very long
data               `Notice`, as JSON
=================  ===========================================================

The subject's last token is the route's name, with ``_`` for characters that a token cannot hold, or
``-`` for a letter without a route; no route can have that name.
"""

import re
from datetime import UTC, datetime
from uuid import UUID, uuid5

import msgspec

from bridge.dead_letters.letters import Stage
from bridge.dead_letters.store import Letter
from bridge.runtime.event_types import dead_letter_type
from eventstore.events import Event

SOURCE = "/ntbridge/dead-letters"
NO_ROUTE = "-"

_NOT_IN_A_TOKEN = re.compile(r"[^A-Za-z0-9_-]")
_MAX_REASON = 4000
_MAX_ATTRIBUTE = 1000
"""Characters. A publisher chooses ids of any length; a notice must fit into a message."""


class AboutEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The known attributes of the event; without ``uid`` they come from the message itself.

    Each has up to 1,000 characters and, if it is cut, says how many it has.
    """

    uid: UUID | None = None
    id: str | None = None
    source: str | None = None
    type: str | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a notice, as JSON."""

    letter: int
    stage: Stage
    code: str
    reason: str
    """Up to 4,000 characters."""
    route: str | None
    generation: int | None
    event: AboutEvent
    stream: str | None
    sequence: int | None
    topic: str | None
    attempts: int
    recorded_at: datetime


def topic_of(stage: Stage, route: str | None) -> str:
    """Return the topic of a letter's notice: the NATS subject without the prefix."""
    token = NO_ROUTE if route is None else _NOT_IN_A_TOKEN.sub("_", route)
    return f"deadletters.{stage}.{token}"


def notice_of(
    letter: Letter, incarnation: UUID, type_prefix: str, correlation_id: str | None = None
) -> Event:
    """Return the notice of a letter; one letter always gives the same event."""
    links = {"correlationid": correlation_id, "causationid": letter.event_id}
    notice = Notice(
        letter=letter.id,
        stage=letter.stage,
        code=letter.code,
        reason=letter.reason[:_MAX_REASON],
        route=letter.route,
        generation=letter.generation,
        event=AboutEvent(
            uid=letter.uid,
            id=_shortened(letter.event_id),
            source=_shortened(letter.event_source),
            type=_shortened(letter.event_type),
        ),
        stream=letter.stream,
        sequence=letter.sequence,
        topic=letter.topic,
        attempts=letter.attempts,
        recorded_at=letter.recorded_at,
    )
    return Event(
        id=str(uuid5(incarnation, f"dead-letter\n{letter.id}")),
        source=SOURCE,
        type=dead_letter_type(type_prefix),
        subject=str(letter.id),
        time=letter.recorded_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        datacontenttype="application/json",
        data=msgspec.json.encode(notice),
        extensions={
            name: value
            for name, value in links.items()
            # Only of a stored event: other ids may be no valid CloudEvents attribute. A part of an
            # id is another id.
            if value is not None and correlation_id is not None and len(value) <= _MAX_ATTRIBUTE
        },
    )


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= _MAX_ATTRIBUTE:
        return text
    return f"{text[:_MAX_ATTRIBUTE]}… ({len(text)} characters)"
