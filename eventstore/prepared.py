"""Prepared appends: batches as columns, before anything is sent.

An append that can never be stored is refused here, without affecting the others of its batch.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from eventstore import expected as expectations
from eventstore.errors import InvalidEvent
from eventstore.events import NewEvent
from eventstore.expected import ANY, ExpectedVersion
from eventstore.rows import DATA, UID, EventRow, check_stream, encode
from eventstore.validity import MAX_APPEND_BYTES

MAX_STREAMS: Final = 500
"""The most streams of one batch: each takes a lock, and the server has room for about 6,000."""

_MAX_SOURCES: Final = 100_000
"""The most sources that are kept in memory."""


class StreamAppend(msgspec.Struct, frozen=True):
    """Events for one stream, in order, and the stream's expected version."""

    stream: str
    events: Sequence[NewEvent]
    expected: ExpectedVersion = ANY


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


def arguments_of(members: Sequence[PreparedAppend]) -> list[Sequence[object]]:
    """Return the arguments of ``append_events`` that follow the sources.

    Raises:
        InvalidEvent: The batch is too large.
    """
    if len(members) > 1:
        _check_size(members)
    return [
        [member.stream for member in members],
        [expectations.encode(member.expected) for member in members],
        [len(member.rows) for member in members],
        [row for member in members for row in member.rows],
    ]


def _check_size(members: Sequence[PreparedAppend]) -> None:
    streams = len({member.stream for member in members})
    if streams > MAX_STREAMS:
        raise InvalidEvent(
            f"a batch over {streams} streams: split it, {MAX_STREAMS} are the most"
        )
    size = sum(_data_bytes(member.rows) for member in members)
    if size > MAX_APPEND_BYTES:
        raise InvalidEvent(
            f"a batch with {size} bytes of data: split it, {MAX_APPEND_BYTES} are the most"
        )


def _data_bytes(rows: Sequence[EventRow]) -> int:
    return sum(len(row[DATA] or b"") for row in rows)
