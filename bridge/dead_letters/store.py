"""`DeadLetters`: finds, counts, reads and closes stored dead letters."""

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
    """A stored dead letter without its bytes."""

    id: int
    stage: Stage
    code: str
    reason: str
    state: LetterState
    attempts: int
    recorded_at: datetime
    closed_at: datetime | None = None
    notified_at: datetime | None = None
    """When NATS had its notice."""
    route: str | None = None
    generation: int | None = None
    uid: UUID | None = None
    event_id: str | None = None
    """From the message, decodable or not."""
    event_source: str | None = None
    event_type: str | None = None
    stream: str | None = None
    stream_created: datetime | None = None
    sequence: int | None = None
    topic: str | None = None
    payload_bytes: int | None = None


class WholeLetter(Letter, frozen=True, kw_only=True):
    """A stored dead letter with all its columns."""

    subject: bytes | None = None
    """The bytes of the topic, when it is not text."""
    arrived_ns: int | None = None
    """When the stream stored the message, in nanoseconds since 1970; None if not known."""
    headers: Headers | None = None
    payload: bytes | None = None
    traceback: str | None = None


class Unnotified(Letter, frozen=True, kw_only=True):
    """A dead letter whose notice is not published yet."""

    correlation_id: str | None = None
    """Of its event, if the event is stored."""


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One action on a letter."""

    at: datetime
    what: Literal["redriven", "left-open", "dropped"]
    who: str
    detail: str | None


class LetterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The letters of a selection that share stage, code and route."""

    stage: Stage
    code: str
    route: str | None
    letters: int
    last_id: int


class LetterFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Conditions that must all hold; a condition that is None always holds.

    ``event`` is an event's id or uid; ``since`` is inclusive, ``until`` exclusive.
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
        """The conditions in the parameter order of ``dead_letter_matches``."""
        return msgspec.structs.astuple(self)


class DeadLetters:
    """The dead letters of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(
        self, selection: LetterFilter, limit: int, *, before: int = _LAST
    ) -> list[Letter]:
        """Return the newest letters of a selection below a number, newest first."""
        rows = await self._planned("find_dead_letters", *selection.arguments, before, limit)
        return [_letter(row) for row in rows]

    async def count(self, selection: LetterFilter) -> list[LetterGroup]:
        """Count the letters of a selection by stage, code and route, most frequent first."""
        rows = await self._planned("count_dead_letters", *selection.arguments)
        return [LetterGroup(**dict(row)) for row in rows]

    async def ids(self, selection: LetterFilter, through: int) -> AsyncIterator[int]:
        """Yield the ids of a selection up to and including ``through``, oldest first."""
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
        """Return a letter, None if no letter has that number."""
        row = await self._database.fetchrow(STATEMENTS["get_dead_letter"], letter)
        return None if row is None else _whole(row)

    async def history(self, letter: int) -> list[HistoryEntry]:
        """Return the actions on a letter, oldest first."""
        rows = await self._database.fetch(STATEMENTS["history_of_dead_letter"], letter)
        return [HistoryEntry(**dict(row)) for row in rows]

    async def about(self, uids: Sequence[UUID], mentioned_id: str | None) -> list[Letter]:
        """Return the letters of events, or that mention an event id; oldest first."""
        rows = await self._database.fetch(
            STATEMENTS["dead_letters_of_event"], list(uids), mentioned_id
        )
        return [_letter(row) for row in rows]

    async def drop(self, ids: Sequence[int], who: str, why: str) -> list[int]:
        """Close the open ones among these letters as dropped, and return their ids."""
        rows = await self._database.fetch(
            STATEMENTS["close_dead_letters"], list(ids), "dropped", who, storable(why), None
        )
        return [row["id"] for row in rows]

    async def leave_open(self, letter: int, who: str, why: str) -> None:
        """Record that a redrive failed."""
        await self._database.execute(STATEMENTS["note_dead_letter"], letter, who, storable(why))

    async def _planned(self, statement: str, *args: object) -> list[Row]:
        async with self._database.connection() as connection:
            return await connection.fetch_planned(STATEMENTS[statement], *args)


async def lock(connection: Connection, letter: int) -> WholeLetter | None:
    """Lock an open letter until the transaction ends; return None if it is not open."""
    row = await connection.fetchrow(STATEMENTS["lock_dead_letter"], letter)
    return None if row is None else _whole(row)


async def close(
    connection: Connection, letter: int, who: str, detail: str, uid: UUID | None
) -> None:
    """Close a letter as redriven, in the transaction of the redrive."""
    await connection.execute(
        STATEMENTS["close_dead_letters"], [letter], "redriven", who, storable(detail), uid
    )


async def unnotified(database: Database, limit: int) -> list[Unnotified]:
    """Return the letters whose notice is not published yet, oldest first."""
    rows = await database.fetch(STATEMENTS["unnotified_dead_letters"], limit)
    return [Unnotified(**dict(row)) for row in rows]


async def mark_notified(database: Database, letters: Sequence[int]) -> None:
    """Record that NATS has the notices of letters."""
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
    # Letters of earlier versions hold the headers as a JSON object, as a client library read them.
    return Headers.of(json.loads(kept)) if kept.startswith(b"{") else Headers.read(kept)
