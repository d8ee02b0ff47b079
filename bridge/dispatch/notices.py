"""`PlanNotices`: tells other daemons about dispatches that were planned for their partitions.

Intake runs in one daemon, the partitions are divided among all. What is planned for a partition of another daemon
would otherwise wait for that daemon's next look at the table, up to a second. The notice is a NOTIFY with the
partitions in it, sent after the commit and once for many commits (see `eventstore.announcer` for why). It is only a
hint: each daemon also polls. A daemon that holds all partitions neither sends nor listens.
"""

import asyncio
from collections.abc import Callable, Collection

import structlog
from typing_extensions import override

from bridge.dispatch.partitions import PARTITIONS
from bridge.lifecycle.leadership import RENEW_SECONDS
from bridge.lifecycle.services import TaskService
from bridge.sql import STATEMENTS
from eventstore.announcer import Announcer
from eventstore.database import Connection, Database
from eventstore.errors import Unavailable

log = structlog.get_logger(__name__)


def bits_of(partitions: Collection[int]) -> int:
    """Return partitions as bits of a number."""
    bits = 0
    for number in partitions:
        bits |= 1 << number
    return bits


def read_bits(payload: str) -> int:
    """Return the bits of a notice; all partitions if it cannot be read: another release sent it."""
    try:
        return int(payload, 16)
    except ValueError:
        return (1 << PARTITIONS) - 1


class PlanNotices(TaskService):
    """Sends notices to other daemons, and listens to theirs.

    Args:
        database: Carries the notices.
        partitions: Returns the partitions from which this daemon takes now.
        planned: Called when something was planned for one of them.
    """

    def __init__(
        self,
        database: Database,
        partitions: Callable[[], Collection[int]],
        planned: Callable[[], None],
    ) -> None:
        super().__init__("plan notices")
        self._database = database
        self._partitions = partitions
        self._planned = planned
        self._pending = 0
        self._announcer = Announcer(self._send)
        self.listening = asyncio.Event()
        """Set while notices of other daemons arrive."""

    def announce(self, partitions: Collection[int]) -> None:
        """Send a notice of committed dispatches of other daemons' partitions; never waits or raises."""
        self._pending |= bits_of(partitions)
        self._announcer.announce()

    async def flush(self) -> None:
        """Wait until what was announced is sent."""
        await self._announcer.flush()

    async def _send(self) -> None:
        bits, self._pending = self._pending, 0
        await self._database.execute(STATEMENTS["announce_dispatches"], f"{bits:x}")

    @override
    async def run(self) -> None:
        """Listen while other daemons hold partitions, until stopped."""
        self.ready()
        while not self.stopping.is_set():
            if len(self._partitions()) < PARTITIONS:
                try:
                    await self._listen()
                    self.problem = None
                except Unavailable as error:
                    self.problem = str(error)
                    log.warning("notices.store_unavailable", error=str(error))
            await self.pause(RENEW_SECONDS)
        await self.flush()

    async def _listen(self) -> None:
        """Listen until the connection ends, this daemon holds all partitions, or it is stopped."""
        ended = asyncio.Event()
        connection: Connection | None = None
        try:
            connection = await self._database.open(on_close=ended.set)
            channel = await connection.fetchval(STATEMENTS["dispatches_channel"])
            await connection.listen(channel, self._heard)
            self.listening.set()
            # Notices that were sent before this moment did not arrive here.
            self._planned()
            while not self.stopping.is_set() and not ended.is_set():
                await self.pause(RENEW_SECONDS)
                if len(self._partitions()) == PARTITIONS:
                    return
        finally:
            self.listening.clear()
            if connection is not None:
                connection.terminate()

    def _heard(self, payload: str) -> None:
        if read_bits(payload) & bits_of(self._partitions()):
            self._planned()
