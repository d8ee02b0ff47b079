"""`WindowCloser`: closes windows when their time is over; see `bridge.flow.windows` and ``0009_windows.sql``.

Each daemon closes the windows of its own partitions: it calls for them next. One statement closes a window and
makes its call due, by the database's clock and under the row's lock. So nothing is decided from what a daemon
read before, and one that was frozen or deposed in between does no harm.
"""

import asyncio
from collections.abc import Callable, Collection

import structlog
from typing_extensions import override

from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.crash_points import fault
from bridge.lifecycle.services import TaskService, rest
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.errors import Unavailable

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
"""How often to look for windows that other daemons opened."""
_AT_ONCE = 100


class WindowCloser(TaskService):
    """Closes the windows of this daemon's partitions until stopped.

    Args:
        database: Has the windows.
        partitions: Returns the partitions that this daemon holds now.
        closed: Called when calls became due.
    """

    def __init__(
        self,
        database: Database,
        partitions: Callable[[], Collection[int]],
        closed: Callable[[], None],
    ) -> None:
        super().__init__("windows")
        self._database = database
        self._partitions = partitions
        self._closed = closed
        self._wake = asyncio.Event()

    def look_again(self) -> None:
        """Look for the next window to close: one may have been opened."""
        self._wake.set()

    @override
    async def run(self) -> None:
        """Close windows until stopped."""
        attempt = 0
        self.ready()
        while not self.stopping.is_set():
            self._wake.clear()
            try:
                seconds = await self._close()
                self.problem, attempt = None, 0
            except Unavailable as error:
                attempt += 1
                self.problem, seconds = str(error), backoff(attempt)
                log.warning("windows.store_unavailable", error=str(error))
            if seconds > 0:
                await self.unless_stopped(rest(self._wake, min(seconds, POLL_SECONDS)))

    async def _close(self) -> float:
        """Close what is due; return the seconds until the next window closes."""
        partitions = list(self._partitions())
        (row,) = await self._database.fetch(STATEMENTS["next_window"], partitions)
        if row["unjoined"]:
            async with self._database.transaction() as connection:
                await connection.execute(STATEMENTS["join_windows"])
                await connection.execute(STATEMENTS["admit_to_slots"])
            self._closed()
        seconds = row["seconds"]
        if seconds is None or seconds > 0:
            return POLL_SECONDS if seconds is None else float(seconds)
        fault("windows.before-close")
        rows = await self._database.fetch(STATEMENTS["close_due_windows"], partitions, _AT_ONCE)
        if not rows:  # another transaction has them; it commits soon
            return POLL_SECONDS / 10
        fault("windows.closed")
        log.debug("windows.closed", windows=len(rows))
        self._closed()
        return 0.0
