"""Marks: what is read to find how far the log is final, and what follows from it.

`eventstore.fence` reads them again and again; the argument is in `eventstore.subscription`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from eventstore.appending import STATEMENTS
from eventstore.database import Connection, Row
from eventstore.errors import Unavailable

_MAX_MARKS = 32


@dataclass(frozen=True, slots=True)
class Final:
    """How far the log is final, and on which server.

    Attributes:
        through: Positions at or below it are final; the position of an event, or 0.
        uid: The uid of the event at that position, None if there is none.
        server: The start time of that server; None before the first poll.
    """

    through: int = 0
    uid: UUID | None = None
    server: datetime | None = None


class Marks:
    """The marks that wait for their holders, and the final position ``through``. No I/O.

    ``through`` never decreases.
    """

    def __init__(self) -> None:
        self.through = 0
        self._waiting: list[tuple[int, frozenset[str]]] = []

    @property
    def is_waiting(self) -> bool:
        """Whether a mark waits for its holders."""
        return bool(self._waiting)

    @property
    def holders(self) -> frozenset[str]:
        """The transactions that the lowest mark waits for."""
        return self._waiting[0][1] if self._waiting else frozenset()

    def observe(self, last: int, holders: Sequence[str]) -> bool:
        """Add a mark: ``last`` read first, then ``holders``. Return whether ``through`` has moved."""
        now = frozenset(holders)
        before = self.through
        # A transaction that is not among these later holders has ended.
        waiting = [(mark, left & now) for mark, left in self._waiting]
        if last > (waiting[-1][0] if waiting else self.through):
            if len(waiting) >= _MAX_MARKS:
                waiting.pop()  # the new mark covers it
            waiting.append((last, now))
        for mark, left in waiting:
            if not left:
                self.through = max(self.through, mark)
        self._waiting = [(mark, left) for mark, left in waiting if mark > self.through]
        return self.through > before


class Mark(NamedTuple):
    """A mark as it was read."""

    last: int
    """The last drawn position."""
    holders: Sequence[str]
    """The transactions that may still write at or below it."""
    server: datetime
    """The server's start time."""
    head: int | None
    """The position of the highest event at or below ``last``, None if there is none; read only without holders."""
    head_uid: UUID | None


async def take_mark(connection: Connection, expected: datetime | None) -> Mark:
    """Read a mark.

    Raises:
        Unavailable: A pooler or balancer connected to another server than the expected one.
    """
    (row,) = await connection.fetch(STATEMENTS["fence_mark"])
    mark = Mark(*row)
    if expected not in {None, mark.server}:
        raise Unavailable("the session reached another database server than the previous one")
    return mark


async def has_event(connection: Connection, final: Final, server: datetime) -> bool:
    """Return whether a server has the event at a final position."""
    if final.uid is None:
        return True
    here = await connection.fetchrow(STATEMENTS["uid_at"], final.through, server)
    return is_event(here, final.uid)


async def final_at(connection: Connection, mark: Mark, through: int) -> Final:
    """Return the highest event at or below a final position; ``mark`` is the last mark that was read."""
    if not mark.holders and through == mark.last:
        position, uid = mark.head, mark.head_uid
    else:
        row = await connection.fetchrow(STATEMENTS["visible_head"], through, mark.server)
        position, uid = (None, None) if row is None else (row["position"], row["uid"])
    if position is None or uid is None:
        return Final(server=mark.server)
    return Final(position, UUID(int=uid.int), mark.server)


def is_event(here: Row | None, uid: UUID) -> bool:
    """Return whether an event is at a position, or was until its row was deleted, by ``uid_at``."""
    if here is None:
        return False
    if here["uid"] is None:
        return bool(here["deleted"])
    return UUID(int=here["uid"].int) == uid
