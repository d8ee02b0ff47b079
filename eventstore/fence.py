"""How far the log is final. The argument is in `eventstore.subscription`; this is the mechanism.

A *mark* is a pair: a position ``last`` up to which positions had been drawn, and, read later,
the transactions that then held the INSERT's lock on the log. When all of these have ended,
everything up to ``last`` is final, and the fence moves to the highest event there. Marks are
pipelined: a new one is taken each time the fence looks, while older ones are still waiting, so
that a slow writer delays what it may precede and the looks themselves delay nothing. One fence
serves all subscriptions of a store.

All of this is about one server. So how far the log is final is always said together with the
server (`Final`), pages are read from that server alone, and when another one answers, the fence
first looks whether it has the last event that was final on the one before: a standby that was
promoted may lack it (`HistoryLost`).
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from eventstore.appending import STATEMENTS
from eventstore.database import Connection, Database
from eventstore.errors import HistoryLost, Unavailable

_log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds between looks when no announcement comes: what a lost one costs."""

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.05
"""Seconds between looks while a writer is waited for, doubling from the first to the longest."""

_RECONNECT = 0.25
"""Seconds between attempts to get a lost connection back."""

_MOST_MARKS = 32


@dataclass(frozen=True, slots=True)
class Final:
    """How far the log is final, and where.

    Attributes:
        through: Everything at or below is final; the position of an event, or 0.
        uid: Of the event at that position, None when there is none.
        server: When the server was started for which that is so; None before the first look.
    """

    through: int = 0
    uid: UUID | None = None
    server: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A transaction that holds the fence back.

    Attributes:
        transaction: Its virtual transaction id.
        pid: Its server process, None for a prepared transaction.
        application: What it calls itself.
        client: Its address.
        state: ``active``, ``idle in transaction`` …
        query: Its last statement, if this role may see it.
        seconds: How long the transaction has been open, if this role may see it.
    """

    transaction: str
    pid: int | None
    application: str | None
    client: str | None
    state: str | None
    query: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class FenceStatus:
    """How far the log is final, and why not further.

    Attributes:
        through: Everything at or below is known to be final; 0 where an append is open and this
            process has not followed the log yet.
        last: The highest position drawn so far.
        holders: The open transactions that may still write between the two.
    """

    through: int
    last: int
    holders: tuple[Holder, ...]

    @property
    def lag(self) -> int:
        """How many positions have been drawn and are not final; gaps count."""
        return self.last - self.through


class Marks:
    """The marks that wait for their holders, and how far the log is final. No I/O.

    ``through`` never falls.
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
        """Take in one look: ``last`` read first, then ``holders``. Tell whether more is final."""
        now = frozenset(holders)
        before = self.through
        # Whoever is not among the holders of this later look has ended.
        waiting = [(mark, left & now) for mark, left in self._waiting]
        if last > (waiting[-1][0] if waiting else self.through):
            if len(waiting) >= _MOST_MARKS:
                waiting.pop()  # the new mark covers it
            waiting.append((last, now))
        for mark, left in waiting:
            if not left:
                self.through = max(self.through, mark)
        self._waiting = [(mark, left) for mark, left in waiting if mark > self.through]
        return self.through > before


class Fence:
    """Follows how far the log is final, for as long as somebody follows the log."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._marks = Marks()
        self._final = Final()
        self._followers = 0
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._failure: Exception | None = None

    def join(self) -> None:
        """Follow; the first follower starts the looking. Every join needs a `leave`."""
        self._followers += 1
        if self._task is None:
            self._failure = None
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def leave(self) -> None:
        """Follow no longer; the last one stops the looking."""
        self._followers -= 1
        if self._followers == 0 and self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])

    async def beyond(self, position: int) -> Final:
        """Wait until the log is final beyond a position; return how far. Needs a `join`.

        Raises:
            EventStoreError: Looking has failed for a reason that does not pass.
        """
        while self._final.through <= position:
            if self._failure is not None:
                raise self._failure
            moved = self._moved
            await moved.wait()
        return self._final

    async def settle(self) -> int:
        """Wait until everything drawn by now is final, and return the highest event of it."""
        marks = Marks()
        pause = _FIRST_PAUSE
        target: int | None = None
        server: datetime | None = None
        # On one server: marks mean nothing to another, nor to one that was restarted.
        async with self._database.connection() as connection:
            while True:
                last, holders, server = await _look(connection, server)
                target = last if target is None else target
                marks.observe(last, holders)
                if marks.through >= target:
                    return (await _visible(connection, marks.through, server)).through
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def status(self) -> FenceStatus:
        """Look once, and name who holds the fence back."""
        async with self._database.connection() as connection:
            last, holders, _ = await _look(connection, None)
        marks = self._marks
        if self._task is None:
            marks = Marks()
            marks.observe(last, holders)
        waited_for = sorted(marks.holders & frozenset(holders))
        rows = await self._database.fetch(STATEMENTS["fence_holders"], waited_for)
        return FenceStatus(
            through=max(marks.through, self._final.through),
            last=last,
            holders=tuple(Holder(*row) for row in rows),
        )

    async def _run(self) -> None:
        """Keep looking, over lost connections too, until there is nobody to look for."""
        while True:
            connection: Connection | None = None
            try:
                connection = await self._database.open(on_close=self._wake.set)
                channel = await connection.fetchval(STATEMENTS["channel"])
                await connection.listen(channel, self._wake.set)
                self._marks = Marks()  # older ones may be of a server that has crashed
                await self._follow(connection)
            except Unavailable as error:
                _log.warning("following the log: %s; trying again", error)
            except Exception as error:  # noqa: BLE001 - raised where somebody waits
                self._failure = error
                self._announce_move()
                return
            finally:
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(_RECONNECT)

    async def _follow(self, connection: Connection) -> None:
        pause = _FIRST_PAUSE
        server: datetime | None = None
        while True:
            self._wake.clear()
            last, holders, seen = await _look(connection, server)
            if server is None:
                server = seen
                await self._go_on_at(connection, server)
            if self._marks.observe(last, holders):
                pause = _FIRST_PAUSE
                final = await _visible(connection, self._marks.through, server)
                if final.through > self._final.through:
                    self._final = final
                    self._announce_move()
            if self._marks.is_waiting:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                pause = _FIRST_PAUSE
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await self._wake.wait()

    async def _go_on_at(self, connection: Connection, server: datetime) -> None:
        """Let what was final on the server before be final on this one, if it has it.

        An event that is here was committed here, and all that was final below it with it, or it
        was lost by the server and is nowhere; positions above it are drawn above it. An event
        that is not here shows that committed events are gone, and that their positions may be
        drawn again, by events which no follower would then be given.
        """
        before = self._final
        if before.server == server:
            return
        if before.uid is not None:
            here = await connection.fetchval(STATEMENTS["uid_at"], before.through, server)
            if here is None or UUID(int=here.int) != before.uid:
                self._final = Final()
                raise HistoryLost(
                    f"the database server that answers now (started {server}) lacks the event "
                    f"{before.uid} at position {before.through}, which was committed and read on "
                    f"the one before (started {before.server}): a standby was promoted that had "
                    "not received all commits, or a backup was restored. Find out which events "
                    "are missing, then begin a new incarnation of the store ('ntbridge migrate "
                    "--restored') and save the checkpoints to continue from"
                )
        self._final = replace(before, server=server)
        self._announce_move()

    def _announce_move(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


async def _look(
    connection: Connection, expected: datetime | None
) -> tuple[int, list[str], datetime]:
    """Read a mark.

    Raises:
        Unavailable: It is from another server than the expected one (a pooler went there).
    """
    (row,) = await connection.fetch(STATEMENTS["fence_mark"])
    if expected not in {None, row["server"]}:
        raise Unavailable("a session reached another database server than before")
    return row["last"], row["holders"], row["server"]


async def _visible(connection: Connection, position: int, server: datetime) -> Final:
    row = await connection.fetchrow(STATEMENTS["visible_head"], position, server)
    if row is None:
        return Final(server=server)
    return Final(row["position"], UUID(int=row["uid"].int), server)
