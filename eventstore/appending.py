"""Appending: one call of ``append_events``, from batches to arrays and from letters to results.

The database judges and writes in one round trip (``sql/migrations/0002_append.sql``). Here a
batch is prepared before anything is sent, so that an append that can never be stored is refused
without affecting the others, and the answer is turned into one result for each member.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from eventstore import expected as expectations
from eventstore.database import Connection, Row
from eventstore.errors import (
    AppendRefused,
    Conflict,
    ConflictReason,
    Contended,
    InvalidEvent,
    StatementFailed,
    WrongExpectedVersion,
)
from eventstore.events import NewEvent
from eventstore.expected import ANY, ExpectedVersion
from eventstore.rows import DATA, DIGEST, UID, EventRow, check_stream, columns, encode
from eventstore.statements import Statements
from eventstore.validity import MAX_APPEND_BYTES

MAX_STREAMS: Final = 500
"""The most streams of one batch: each takes a lock, and the server has room for about 6,000."""

STATEMENTS: Final = Statements("eventstore.sql.statements")

_MAX_SOURCES: Final = 100_000
"""The most sources that are kept in memory."""

_APPEND: Final = STATEMENTS["append"]
_APPEND_ONE: Final = STATEMENTS["append_one"]
_UNIQUE_VIOLATION: Final = "23505"
_CONFLICTS: Final[dict[str, ConflictReason]] = {"b": "body", "s": "stream", "p": "partial"}


class StreamAppend(msgspec.Struct, frozen=True):
    """Events for one stream, in order, and the stream's expected version."""

    stream: str
    events: Sequence[NewEvent]
    expected: ExpectedVersion = ANY


class Appended(msgspec.Struct, frozen=True):
    """The place of one append's events.

    Attributes:
        stream: The stream.
        first_version: The version of the first event.
        last_version: The version of the last event.
        positions: The position of each event, in order.
        duplicate: Whether they were stored before this call.
    """

    stream: str
    first_version: int
    last_version: int
    positions: tuple[int, ...]
    duplicate: bool


class PreparedAppend(msgspec.Struct, frozen=True):
    """An append as columns, ready to be sent."""

    stream: str
    expected: ExpectedVersion
    rows: tuple[EventRow, ...]
    sources: frozenset[str]

    @property
    def uids(self) -> list[UUID]:
        """The uids of its events, in order."""
        return [row[UID] for row in self.rows]


def prepare(append: StreamAppend) -> PreparedAppend:
    """Turn an append into columns.

    Raises:
        InvalidEvent: It has no events, has one twice, or has one that cannot be stored.
    """
    check_stream(append.stream)
    rows = tuple([encode(new) for new in append.events])
    if not rows:
        raise InvalidEvent(f"an append to {append.stream!r} without events")
    if len(rows) > 1 and _data_bytes(rows) > MAX_APPEND_BYTES:
        raise InvalidEvent(
            f"an append to {append.stream!r} with {_data_bytes(rows)} bytes of data: split it, "
            f"{MAX_APPEND_BYTES} are the most"
        )
    if len(rows) > 1 and len({row[UID] for row in rows}) < len(rows):
        raise InvalidEvent(f"an append to {append.stream!r} holds one event twice")
    sources = frozenset([new.event.source for new in append.events])
    return PreparedAppend(append.stream, append.expected, rows, sources)


class AppendStatement(msgspec.Struct, frozen=True):
    """Appends to many streams, for a caller's own function that calls ``append_events``.

    Attributes:
        arguments: Of ``append_events``, from the second one.
        sources: Of the events; the statement lists them.
    """

    arguments: Sequence[object]
    sources: Sequence[str]


class ListedSources:
    """The sources that are known to be listed in the database.

    The database lists a source in the commit that brings its first event, and returns which of the
    given sources earlier commits have listed. Those need not be given to it again.
    """

    def __init__(self) -> None:
        self._listed: set[str] = set()

    def missing(self, members: Sequence[PreparedAppend]) -> list[str] | None:
        """Return the sources of a batch that are not known to be listed, sorted; None if all are."""
        if len(members) == 1 and members[0].sources <= self._listed:
            return None
        missing = {source for member in members for source in member.sources} - self._listed
        return sorted(missing) or None

    def add(self, sources: Sequence[str]) -> None:
        """Keep sources that earlier commits have listed, a bounded number of them."""
        if len(self._listed) > _MAX_SOURCES:
            self._listed.clear()
        self._listed.update(sources)


async def append(
    connection: Connection,
    members: Sequence[PreparedAppend],
    listed: ListedSources,
    *,
    all_or_nothing: bool,
    turns: Sequence[Sequence[int]] | None = None,
) -> list[Appended | AppendRefused]:
    """Judge the members in order, write the accepted ones, and return a result for each.

    This is usually one statement. If an event occurs in several members, those after the first are
    judged by later statements, which must run in the same transaction. With ``all_or_nothing``, the
    refusal of a later member leaves the earlier ones written, and the caller rolls back.
    """
    if turns is None:
        turns = rounds(members)
    if len(turns) == 1:
        return await _append_distinct(
            connection, members, listed, all_or_nothing=all_or_nothing
        )
    results: dict[int, Appended | AppendRefused] = {}
    for turn in turns:
        batch = [members[index] for index in turn]
        done = await _append_distinct(connection, batch, listed, all_or_nothing=all_or_nothing)
        results.update(zip(turn, done, strict=True))
    return [results[index] for index in range(len(members))]


def rounds(members: Sequence[PreparedAppend]) -> list[list[int]]:
    """Split members (by index) into rounds so that no event occurs twice within one round.

    A member's round comes after each round that has one of its events, and not before one that has
    a member of its stream, so that the order within streams is kept.
    """
    if len(members) == 1:
        return [[0]]
    single = sum(len(member.rows) for member in members)
    if len({row[UID] for member in members for row in member.rows}) == single:
        return [list(range(len(members)))]
    turns: list[list[int]] = []
    earliest: dict[UUID | str, int] = {}
    for index, member in enumerate(members):
        turn = max(
            [earliest.get(uid, 0) for uid in member.uids] + [earliest.get(member.stream, 0)]
        )
        if turn == len(turns):
            turns.append([])
        turns[turn].append(index)
        earliest[member.stream] = turn
        for uid in member.uids:
            earliest[uid] = turn + 1
    return turns


async def _append_distinct(
    connection: Connection,
    members: Sequence[PreparedAppend],
    listed: ListedSources,
    *,
    all_or_nothing: bool,
) -> list[Appended | AppendRefused]:
    missing = listed.missing(members)
    is_one = len(members) == 1 and len(members[0].rows) == 1
    if is_one and missing is None and not connection.is_in_transaction:
        outcomes, bases, positions = await _ask_for_one(connection, members[0])
    else:
        arguments = arguments_of(members)
        (answer,) = await connection.fetch(_APPEND, all_or_nothing, missing, *arguments)
        outcomes, bases, positions, found = answer
        listed.add(found or ())
    results: list[Appended | AppendRefused] = []
    written = 0
    stored: dict[UUID, Row] = {}
    if any(letter in "dbsp" for letter in outcomes):
        stored = await _stored_among(connection, members, outcomes)
    for member, letter, base in zip(members, outcomes, bases, strict=True):
        count = len(member.rows)
        match letter:
            case "a":
                mine = tuple(positions[written : written + count])
                results.append(_appended(member, base, mine, duplicate=False))
                written += count
            case "d":
                mine = tuple([stored[uid]["position"] for uid in member.uids])
                results.append(_appended(member, base, mine, duplicate=True))
            case "w":
                results.append(
                    WrongExpectedVersion(
                        stream=member.stream,
                        expected=expectations.describe(member.expected),
                        actual=base,
                    )
                )
            case _:
                results.append(_conflict(member, _CONFLICTS[letter], stored))
    return results


async def _ask_for_one(
    connection: Connection, member: PreparedAppend
) -> tuple[str, list[int], list[int]]:
    """Append one event as a whole transaction; return the columns of ``append_events``.

    Raises:
        Contended: Another transaction wrote the same event and has committed: the next attempt
            finds it stored.
    """
    expected = expectations.encode(member.expected)
    try:
        ((answer,),) = await connection.fetch(
            _APPEND_ONE, member.stream, expected, *member.rows[0]
        )
    except StatementFailed as error:
        if error.sqlstate == _UNIQUE_VIOLATION:
            raise Contended(str(error)) from error
        raise
    outcome, base, position = answer
    return outcome, [base], [position]


def _appended(
    member: PreparedAppend, base: int, positions: tuple[int, ...], *, duplicate: bool
) -> Appended:
    return Appended(member.stream, base + 1, base + len(member.rows), positions, duplicate)


def arguments_of(members: Sequence[PreparedAppend]) -> list[Sequence[object] | None]:
    """Return the arguments of ``append_events`` that follow the sources.

    Raises:
        InvalidEvent: The batch is too large.
    """
    if len(members) == 1:
        (member,) = members
        return [
            [member.stream],
            [expectations.encode(member.expected)],
            [len(member.rows)],
            [0],
            [0],
            None,
            None,
            None,
            *columns(member.rows),
        ]
    last: dict[str, int] = {}
    sizes: dict[str, int] = {}
    previous: list[int] = []
    before: list[int] = []
    of_event: list[int] = []
    ordinals: list[int] = []
    streams: list[str] = []
    for number, member in enumerate(members, start=1):
        count = len(member.rows)
        previous.append(last.get(member.stream, 0))
        last[member.stream] = number
        ahead = sizes.get(member.stream, 0)
        before.append(ahead)
        sizes[member.stream] = ahead + count
        of_event += [number] * count
        ordinals += range(1, count + 1)
        streams += [member.stream] * count
    if len(last) > MAX_STREAMS:
        raise InvalidEvent(
            f"a batch over {len(last)} streams: split it, {MAX_STREAMS} are the most"
        )
    size = sum(_data_bytes(member.rows) for member in members)
    if size > MAX_APPEND_BYTES:
        raise InvalidEvent(
            f"a batch with {size} bytes of data: split it, {MAX_APPEND_BYTES} are the most"
        )
    return [
        [member.stream for member in members],
        [expectations.encode(member.expected) for member in members],
        [len(member.rows) for member in members],
        previous,
        before,
        of_event,
        ordinals,
        streams,
        *columns(row for member in members for row in member.rows),
    ]


def _data_bytes(rows: Sequence[EventRow]) -> int:
    return sum(len(row[DATA] or b"") for row in rows)


async def _stored_among(
    connection: Connection, members: Sequence[PreparedAppend], outcomes: str
) -> dict[UUID, Row]:
    uids = [
        uid
        for member, letter in zip(members, outcomes, strict=True)
        if letter in "dbsp"
        for uid in member.uids
    ]
    rows = await connection.fetch(STATEMENTS["stored_among"], uids)
    return {row["uid"]: row for row in rows}


def _conflict(
    member: PreparedAppend, reason: ConflictReason, stored: dict[UUID, Row]
) -> Conflict:
    """Return the conflict, with the first event of the member to which the reason applies."""
    found = [
        (uid, stored[uid], row[DIGEST])
        for uid, row in zip(member.uids, member.rows, strict=True)
        if uid in stored
    ]
    uid, row = next(
        (
            (uid, row)
            for uid, row, digest in found
            if (reason == "body" and row["digest"] != digest)
            or (reason == "stream" and row["stream"] != member.stream)
        ),
        found[0][:2],
    )
    return Conflict(
        stream=member.stream,
        uid=UUID(bytes=uid.bytes),
        reason=reason,
        stored_stream=row["stream"],
    )
