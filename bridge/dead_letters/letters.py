"""`DeadLetter`, and its insertion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from bridge.cloudevents.headers import Headers
from bridge.dead_letters.mentions import UNKNOWN, Mention
from bridge.lifecycle.crash_points import fault
from bridge.sql import STATEMENTS, in_pieces
from eventstore.database import Connection

Stage = Literal["intake", "dispatch", "relay"]
_MAX_TEXT = 20_000
"""Maximum characters of a reason: it may quote the message, which may be megabytes long."""


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One message, dispatch or event that failed."""

    stage: Stage
    code: str
    """A stable word for the kind of fault."""
    reason: str
    """What happened, for a person."""
    traceback: str | None = None
    """Of an unexpected exception."""
    uid: UUID | None = None
    about: Mention = UNKNOWN
    """The event it is about; unknown attributes are looked up by the uid."""
    route: str | None = None
    generation: int | None = None
    """Of the failed dispatch; every letter of the stage ``dispatch`` has it."""
    stream: str | None = None
    stream_created: datetime | None = None
    sequence: int | None = None
    topic: str | None = None
    subject: bytes | None = None
    """The bytes of the topic, when Postgres cannot store it as text."""
    arrived_ns: int | None = None
    """When the stream stored the message, in nanoseconds since 1970."""
    headers: Mapping[str, str] | None = None
    payload: bytes | None = None
    attempts: int = 1


async def insert(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Insert dead letters, in the caller's transaction; an existing one stays as it is."""
    for piece in in_pieces(letters, lambda each: len(each.payload or b"")):
        await _insert(connection, piece)
    if letters:
        fault("dead-letter.before-commit")


async def _insert(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    await connection.execute(
        STATEMENTS["insert_dead_letters"],
        [letter.stage for letter in letters],
        [letter.code for letter in letters],
        [storable(letter.reason) for letter in letters],
        [letter.uid for letter in letters],
        [letter.stream for letter in letters],
        [letter.stream_created for letter in letters],
        [letter.sequence for letter in letters],
        [_storable(letter.topic) for letter in letters],
        [_headers(letter.headers) for letter in letters],
        [letter.payload for letter in letters],
        [letter.route for letter in letters],
        [letter.attempts for letter in letters],
        [letter.generation for letter in letters],
        [_storable(letter.traceback) for letter in letters],
        [_storable(letter.about.id) for letter in letters],
        [_storable(letter.about.source) for letter in letters],
        [_storable(letter.about.type) for letter in letters],
        [letter.subject for letter in letters],
        [letter.arrived_ns for letter in letters],
    )


def _headers(headers: Mapping[str, str] | None) -> bytes | None:
    return None if headers is None else Headers.of(headers).block


def _storable(text: str | None) -> str | None:
    return None if text is None else storable(text)


def storable(text: str) -> str:
    """Replace characters that Postgres cannot store (NUL, lone surrogates), and cut long text."""
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}… ({len(text)} characters)"
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
