"""Appending: one call of ``append_events``, from batches to arrays and from letters to results.

The database judges and writes in one round trip (``sql/migrations/0002_append.sql``). Here the
answer is turned into one result for each member of the prepared batch (`eventstore.prepared`).
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
    StatementFailed,
    WrongExpectedVersion,
)
from eventstore.prepared import ListedSources, PreparedAppend, arguments_of, rounds
from eventstore.rows import DIGEST
from eventstore.statements import Statements

STATEMENTS: Final = Statements("eventstore.sql.statements")

_APPEND: Final = STATEMENTS["append"]
_APPEND_ONE: Final = STATEMENTS["append_one"]
_UNIQUE_VIOLATION: Final = "23505"
_CONFLICTS: Final[dict[str, ConflictReason]] = {"b": "body", "s": "stream", "p": "partial"}


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
