"""Dead letters as they are kept: found, counted, read, closed."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from bridge.cloudevents.headers import Headers
from bridge.dead_letters.letters import Stage, storable
from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database, Row

LetterState = Literal["open", "redriven", "dropped"]

_PAGE = 500
_LAST = 2**63 - 1


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter without its bytes."""

    id: int
    stage: Stage
    code: str
    reason: str
    state: LetterState
    attempts: int
    recorded_at: datetime
    closed_at: datetime | None = None
    notified_at: datetime | None = None
    """When its notice was on NATS."""
    route: str | None = None
    generation: int | None = None
    uid: UUID | None = None
    event_id: str | None = None
    """As the message says, decodable or not."""
    event_source: str | None = None
    event_type: str | None = None
    stream: str | None = None
    stream_created: datetime | None = None
    sequence: int | None = None
    topic: str | None = None
    payload_bytes: int | None = None


class WholeLetter(Letter, frozen=True, kw_only=True):
    """A dead letter with everything that is kept of it."""

    subject: bytes | None = None
    """The topic byte for byte, where it is not text."""
    headers: Headers | None = None
    payload: bytes | None = None
    traceback: str | None = None


class Unnotified(Letter, frozen=True, kw_only=True):
    """A dead letter that nobody was told of yet."""

    correlation_id: str | None = None
    """Of its event, if that is stored."""


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did about a letter."""

    at: datetime
    what: Literal["redriven", "left-open", "dropped"]
    who: str
    detail: str | None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """How many letters of a selection have the same thing wrong with them."""

    stage: Stage
    code: str
    route: str | None
    letters: int
    last_id: int


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions that must all hold; those that are None do not count.

    ``event`` is an event's id or uid; ``since`` is included, ``until`` is not.
    """

    ids: tuple[int, ...] | None = None
    state: LetterState | None = None
    stage: Stage | None = None
    code: str | None = None
    route: str | None = None
    event: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def arguments(self) -> tuple[object, ...]:
        """The conditions in the order in which ``dead_letter_matches`` takes them."""
        return msgspec.structs.astuple(self)


class DeadLetters:
    """The dead letters of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, selection: Selection, limit: int) -> list[Letter]:
        """Return the newest letters of a selection, newest first."""
        rows = await self._planned("find_dead_letters", *selection.arguments, _LAST, limit)
        return [_letter(row) for row in rows]

    async def count(self, selection: Selection) -> list[Group]:
        """Count the letters of a selection by what is wrong with them, most frequent first."""
        rows = await self._planned("count_dead_letters", *selection.arguments)
        return [Group(**dict(row)) for row in rows]

    async def ids(self, selection: Selection, through: int) -> AsyncIterator[int]:
        """Yield the ids of a selection up to one of them, oldest first."""
        after = 0
        while True:
            rows = await self._planned(
                "dead_letters_ahead", *selection.arguments, after, through, _PAGE
            )
            for row in rows:
                yield row["id"]
            if len(rows) < _PAGE:
                return
            after = rows[-1]["id"]

    async def get(self, letter: int) -> WholeLetter | None:
        """Return a letter, None if there is none of that number."""
        row = await self._database.fetchrow(STATEMENTS["get_dead_letter"], letter)
        return None if row is None else _whole(row)

    async def history(self, letter: int) -> list[Deed]:
        """Return what was done about a letter, in order."""
        rows = await self._database.fetch(STATEMENTS["history_of_dead_letter"], letter)
        return [Deed(**dict(row)) for row in rows]

    async def about(self, uids: Sequence[UUID], mentioned_id: str | None) -> list[Letter]:
        """Return letters about some events, or that mention an id; oldest first."""
        rows = await self._database.fetch(
            STATEMENTS["dead_letters_of_event"], list(uids), mentioned_id
        )
        return [_letter(row) for row in rows]

    async def drop(self, ids: Sequence[int], who: str, why: str) -> list[int]:
        """Close those of the letters that are open, and return which those were."""
        rows = await self._database.fetch(
            STATEMENTS["close_dead_letters"], list(ids), "dropped", who, storable(why), None
        )
        return [row["id"] for row in rows]

    async def leave_open(self, letter: int, who: str, why: str) -> None:
        """Write down that a redrive did not succeed."""
        await self._database.execute(STATEMENTS["note_dead_letter"], letter, who, storable(why))

    async def _planned(self, statement: str, *args: object) -> list[Row]:
        async with self._database.connection() as connection:
            return await connection.fetch_planned(STATEMENTS[statement], *args)


async def lock(connection: Connection, letter: int) -> WholeLetter | None:
    """Hold an open letter until the transaction ends; None if it is not open."""
    row = await connection.fetchrow(STATEMENTS["lock_dead_letter"], letter)
    return None if row is None else _whole(row)


async def close(
    connection: Connection, letter: int, who: str, detail: str, uid: UUID | None
) -> None:
    """Close a letter as redriven, in the transaction that holds what the redrive did."""
    await connection.execute(
        STATEMENTS["close_dead_letters"], [letter], "redriven", who, storable(detail), uid
    )


async def unnotified(database: Database, limit: int) -> list[Unnotified]:
    """Return the letters nobody was told of yet, oldest first."""
    rows = await database.fetch(STATEMENTS["unnotified_dead_letters"], limit)
    return [Unnotified(**dict(row)) for row in rows]


async def mark_notified(database: Database, letters: Sequence[int]) -> None:
    """Write down that the notices of letters are on NATS."""
    if letters:
        await database.execute(STATEMENTS["mark_notified"], list(letters))


def _letter(row: Row) -> Letter:
    return Letter(**dict(row))


def _whole(row: Row) -> WholeLetter:
    values = dict(row)
    headers = _headers(values.pop("headers"))
    return WholeLetter(**values, headers=headers)


def _headers(kept: bytes | None) -> Headers | None:
    if kept is None:
        return None
    # Letters of earlier releases hold what a client library read, as a JSON object.
    return Headers.of(json.loads(kept)) if kept.startswith(b"{") else Headers.read(kept)
