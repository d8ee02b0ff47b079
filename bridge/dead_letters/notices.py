"""The notice of a dead letter: what is told on NATS, and where. Pure.

A CloudEvent of type `TYPE` on ``deadletters.<stage>.<route>``. Its id follows from the store's
incarnation and the letter's number, so that a notice sent twice is recognised as one. It holds
no bytes of the message, which may be large or confidential: ``ntbridge dead-letters show`` has
them.

=================  ===========================================================
``source``         ``/ntbridge/dead-letters``
``subject``        the letter's number
``time``           when the letter was recorded
``correlationid``  of the event, where it is stored
``causationid``    the event's id, where it is stored
data               `Notice`, as JSON
=================  ===========================================================

The subject's last token is the route's name with ``_`` for what a token cannot hold, or ``-``
for a letter that no route has to do with, which no route can be named.
"""

import re
from datetime import UTC, datetime
from uuid import UUID, uuid5

import msgspec

from bridge.dead_letters.letters import Stage
from bridge.dead_letters.store import Letter
from eventstore.events import Event

TYPE = "io.quantum-suite.bridge.dead-lettered.v1"
SOURCE = "/ntbridge/dead-letters"
NO_ROUTE = "-"

_NOT_IN_A_TOKEN = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_REASON = 4000


class AboutEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The event, as far as it is known; without ``uid`` it is what the message said."""

    uid: UUID | None = None
    id: str | None = None
    source: str | None = None
    type: str | None = None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a notice says, as JSON."""

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
    """Return the subject of a letter's notice, without the prefix."""
    token = NO_ROUTE if route is None else _NOT_IN_A_TOKEN.sub("_", route)
    return f"deadletters.{stage}.{token}"


def notice_of(letter: Letter, incarnation: UUID, correlation_id: str | None = None) -> Event:
    """Return the notice of a letter; the same letter gives the same event."""
    links = {"correlationid": correlation_id, "causationid": letter.event_id}
    notice = Notice(
        letter=letter.id,
        stage=letter.stage,
        code=letter.code,
        reason=letter.reason[:_LONGEST_REASON],
        route=letter.route,
        generation=letter.generation,
        event=AboutEvent(
            uid=letter.uid,
            id=letter.event_id,
            source=letter.event_source,
            type=letter.event_type,
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
        type=TYPE,
        subject=str(letter.id),
        time=letter.recorded_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        datacontenttype="application/json",
        data=msgspec.json.encode(notice),
        extensions={
            name: value
            for name, value in links.items()
            # Only of a stored event: what else a message says may not be fit for an attribute.
            if value is not None and correlation_id is not None
        },
    )
