"""What intake answered for one message, by its place in a stream."""

from datetime import datetime
from uuid import UUID

import msgspec

from bridge.sql import STATEMENTS
from eventstore.database import Database


class MessageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer for a message; a stream that was made again has other messages at the same place."""

    stream: str
    sequence: int
    answer: str
    """A verdict of intake, ``counted`` or ``removed``."""
    stream_created: datetime
    uid: UUID | None = None
    topic: str | None = None
    recorded_at: datetime | None = None
    consumer: str | None = None
    first: int | None = None
    """First and last sequence of the range in which the message was counted or removed."""
    through: int | None = None
    letters: tuple[int, ...] = ()
    """Its dead letters."""

    @property
    def meaning(self) -> str:
        """The answer, in words."""
        where = f"sequences {self.first} to {self.through} of consumer {self.consumer}"
        match self.answer:
            case "counted":
                return f"counted, no route wanted it, and the source keeps no such events ({where})"
            case "removed":
                return f"it left the stream before it was recorded ({where})"
            case "passed-over":
                return "not an event: NATS made it, or it defines a schedule"
            case "set-aside" | "conflict":
                letters = ", ".join(
                    f"ntbridge dead-letters show {each}" for each in self.letters
                )
                return f"a dead letter: {letters or 'none is left'}"
            case _:
                return f"recorded: {self.answer}"


async def message_answers(
    database: Database, stream: str, sequence: int
) -> list[MessageAnswer]:
    """Return the answers for a message, those of the newest stream of the name first.

    Raises:
        Unavailable: The database cannot be reached.
    """
    answers = []
    for row in await database.fetch(STATEMENTS["message_answers"], stream, sequence):
        values = {"stream": stream, "sequence": sequence, **dict(row)}
        values["answer"] = values.pop("verdict")
        letters = await database.fetch(
            STATEMENTS["letters_of_delivery"], stream, row["stream_created"], sequence
        )
        answers.append(MessageAnswer(**values, letters=tuple(each["id"] for each in letters)))
    return answers
