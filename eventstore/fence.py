"""The fence: finds how far the log is final. `eventstore.subscription` has the proof.

A *mark* is a pair: a position ``last`` up to which positions had been drawn, and, read later,
the transactions that then held the INSERT's lock on the log. When all of these have ended,
everything up to ``last`` is final, and the fence moves to the highest event there. Marks are
pipelined: each poll takes a new one while older ones are still waiting, so that a slow writer
delays only positions that it may precede, and polling delays nothing. One fence serves all
subscriptions of a store.

All of this holds for one server. So the final position is kept together with its server
(`Final`), and pages are read from that server only. When another server answers, the fence first
checks that it has the last event that was final on the previous one: a promoted standby may lack
it (`HistoryLost`).
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from eventstore.appending import STATEMENTS
from eventstore.database import Connection, Database
from eventstore.errors import HistoryLost, Unavailable
from eventstore.marks import Final, Marks, final_at, has_event, take_mark

_log = logging.getLogger(__name__)

POLL = 0.5
"""Seconds between polls without an announcement: the delay when one is lost."""

_SHORTEST_PAUSE = 0.001
_MAX_PAUSE = 0.05
"""Seconds between polls while a writer is waited for, doubling from the shortest to the longest. The
first poll follows at once: a round trip later, most writers have ended."""

_RECONNECT = 0.25
"""Seconds between attempts to reconnect."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A transaction that blocks the fence.

    Attributes:
        transaction: Its virtual transaction id.
        pid: Its server process, None for a prepared transaction.
        application: Its application_name.
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
        through: Positions at or below it are known to be final; 0 if an append is open and this
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


class Fence:
    """Finds how far the log is final, as long as there are subscriptions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._marks = Marks()
        self._final = Final()
        self._confirmed = Final()
        """The last one after which its server has answered once more."""
        self._reached = 0
        """The highest position of a follower."""
        self._followers = 0
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._failure: Exception | None = None

    def join(self, position: int) -> None:
        """Add a follower at a position; the first one starts polling. Every join needs a `leave`."""
        self._followers += 1
        self._reached = max(self._reached, position)
        if self._task is None:
            self._failure = None
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def leave(self) -> None:
        """Remove a follower; the last one stops polling."""
        self._followers -= 1
        if self._followers == 0 and self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])

    async def beyond(self, position: int) -> Final:
        """Wait until the log is final beyond a position; return how far. Needs a `join`.

        Raises:
            EventStoreError: Polling has failed, and trying again does not help.
        """
        while self._final.through <= position:
            if self._failure is not None:
                raise self._failure
            moved = self._moved
            await moved.wait()
        return self._final

    def reach(self, position: int, final: Final) -> bool:
        """Note that a follower has read up to a position within what is final.

        Returns:
            False if another server has taken over since: what was read does not count, read it again.
        """
        if final.server != self._final.server:
            return False
        self._reached = max(self._reached, position)
        return True

    async def settle(self) -> int:
        """Wait until all positions drawn so far are final; return the position of the highest event."""
        marks = Marks()
        pause = 0.0
        target: int | None = None
        server: datetime | None = None
        # On one server: marks are invalid on another one, or after a restart.
        async with self._database.connection() as connection:
            while True:
                mark = await take_mark(connection, server)
                server = mark.server
                target = mark.last if target is None else target
                marks.observe(mark.last, mark.holders)
                if marks.through >= target:
                    return (await final_at(connection, mark, marks.through)).through
                await asyncio.sleep(pause)
                pause = _next(pause)

    async def status(self) -> FenceStatus:
        """Poll once; return the final position and the transactions that block the fence."""
        async with self._database.connection() as connection:
            mark = await take_mark(connection, None)
        marks = self._marks
        if self._task is None:
            marks = Marks()
            marks.observe(mark.last, mark.holders)
        waited_for = sorted(marks.holders & frozenset(mark.holders))
        rows = await self._database.fetch(STATEMENTS["fence_holders"], waited_for)
        return FenceStatus(
            through=max(marks.through, self._final.through),
            last=mark.last,
            holders=tuple(Holder(*row) for row in rows),
        )

    async def _run(self) -> None:
        """Poll until the last follower leaves; reconnect when the connection is lost."""
        while True:
            connection: Connection | None = None
            try:
                connection = await self._database.open(on_close=self._wake.set)
                channel = await connection.fetchval(STATEMENTS["channel"])
                await connection.listen(channel, lambda _: self._wake.set())
                self._marks = Marks()  # older marks may be from a server that has crashed
                await self._follow(connection)
            except Unavailable as error:
                _log.warning("following the log: %s; trying again", error)
            except Exception as error:  # noqa: BLE001 - raised to those who wait in `beyond`
                self._failure = error
                self._announce_move()
                return
            finally:
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(_RECONNECT)

    async def _follow(self, connection: Connection) -> None:
        pause = 0.0
        server: datetime | None = None
        while True:
            self._wake.clear()
            mark = await take_mark(connection, server)
            if server is None:
                server = mark.server
                await self._move_to(connection, server)
            self._confirmed = self._final
            if self._marks.observe(mark.last, mark.holders):
                pause = 0.0
                final = await final_at(connection, mark, self._marks.through)
                if final.through > self._final.through:
                    self._final = final
                    self._announce_move()
            if self._marks.is_waiting:
                await asyncio.sleep(pause)
                pause = _next(pause)
            else:
                pause = 0.0
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        await self._wake.wait()

    async def _move_to(self, connection: Connection, server: datetime) -> None:
        """Keep the final position on a new server if the server has the event at it.

        If the server has that event, it also has every event that was final below it, and it
        draws new positions above. If not, committed events are lost and their positions may be
        drawn again by events that no follower would ever receive. An event that no follower has reached, and
        after which the previous server has not answered again, is not lost but was never committed: a server that is
        killed lets transactions that wait for a standby end, so that they are seen for a moment.
        """
        before = self._final
        if before.server == server:
            return
        if not await has_event(connection, before, server):
            confirmed = self._confirmed
            has_confirmed = await has_event(connection, confirmed, server)
            # Last, since followers may reach further while the server is asked.
            if not has_confirmed or self._reached > confirmed.through:
                self._final = self._confirmed = Final()
                raise HistoryLost(
                    f"the current database server (started {server}) lacks the event "
                    f"{before.uid} at position {before.through}, which was committed and read on "
                    f"the previous one (started {before.server}): a standby was promoted that had "
                    "not received all commits, or a backup was restored. Find out which events "
                    "are missing, then begin a new incarnation of the store ('ntbridge migrate "
                    "--restored') and save the checkpoints from which to continue"
                )
            before = confirmed
        self._final = replace(before, server=server)
        self._announce_move()

    def _announce_move(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def _next(pause: float) -> float:
    return min(max(2 * pause, _SHORTEST_PAUSE), _MAX_PAUSE)
