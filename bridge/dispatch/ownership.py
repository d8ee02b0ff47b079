"""`Ownership`: the partitions that this daemon dispatches, by lease, shared evenly among daemons.

Every daemon holds a lease that shows it is running, and its fair share of the partitions::

    daemon/a   partition/0 … partition/15          two daemons: 16 each
    daemon/b   partition/16 … partition/31

A daemon with more than its share (another one has started) gives some up: it takes no new dispatches of
them, finishes those in memory, then releases the lease. A daemon with less acquires free partitions. The
share of a daemon that was killed becomes free when its leases expire.

The database's clock may go back, by hours. What was stored before then lies in the future: leases of dead
daemons, and the times of the next attempts. Both have a longest pause, so what lies further ahead is corrected.
"""

import asyncio
from math import ceil, inf
from time import monotonic
from typing import Protocol

import structlog
from typing_extensions import override

from bridge.dispatch.partitions import PARTITIONS
from bridge.lifecycle.leadership import RENEW_SECONDS, TTL_SECONDS
from bridge.lifecycle.lease_names import (
    DAEMON_PREFIX,
    PARTITION_PREFIX,
    daemon_lease,
    partition_lease,
)
from bridge.lifecycle.services import TaskService
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.errors import Unavailable
from eventstore.leases import Lease, Leases

log = structlog.get_logger(__name__)

_CORRECT_SECONDS = 30.0
"""Between two looks for times that lie too far ahead: they read all that is open."""


class PartitionUser(Protocol):
    """A dispatcher, as the ownership of its partitions sees it."""

    def in_hand(self, partition: int) -> int:
        """Return how many dispatches of a partition are in memory."""
        ...

    def partitions_changed(self, gained: set[int], lost: set[int]) -> None:
        """Take from these partitions from now on, and no more from those."""
        ...


class Ownership(TaskService):
    """Holds this daemon's share of the partitions.

    Args:
        database: Has the tables of leases and dispatches.
        owner: This daemon's name, which must be unique.
    """

    def __init__(self, database: Database, owner: str) -> None:
        super().__init__("partitions")
        self.owner = owner
        self._database = database
        self._leases = Leases(database)
        self._corrected_at: float | None = None
        self._users: list[PartitionUser] = []
        self._alive: Lease | None = None
        self._held: dict[int, Lease] = {}
        self._leaving: set[int] = set()
        self._valid_until = -inf

    def add(self, user: PartitionUser) -> None:
        """Add a dispatcher that takes from these partitions; before the start."""
        self._users.append(user)

    @property
    def active(self) -> dict[int, Lease]:
        """The partitions from which dispatches may be taken, with their leases."""
        return {
            number: lease for number, lease in self._held.items() if number not in self._leaving
        }

    @property
    def held(self) -> int:
        """Number of partitions held."""
        return len(self._held)

    def holds(self, lease: Lease) -> bool:
        """Return whether the lease of a partition is still held, as far as this daemon knows."""
        return lease in self._held.values()

    def is_certain(self) -> bool:
        """Return whether no other daemon can hold these partitions: their leases have not expired."""
        return monotonic() < self._valid_until

    def lost(self, partitions: set[int]) -> None:
        """Remove partitions whose lease a write found to be lost."""
        for number in partitions:
            self._held.pop(number, None)
            self._leaving.discard(number)
        self._changed(set(), partitions)

    def _changed(self, gained: set[int], lost: set[int]) -> None:
        for user in self._users:
            user.partitions_changed(gained, lost)

    def _in_hand(self, partition: int) -> int:
        return sum(user.in_hand(partition) for user in self._users)

    @override
    async def run(self) -> None:
        """Hold this daemon's share until stopped, then release it."""
        try:
            while not self.stopping.is_set():
                try:
                    await self._tick()
                    self.problem = None
                    self.ready()
                except Unavailable as error:
                    self.problem = str(error)
                    log.warning("partitions.store_unavailable", error=str(error))
                    self.ready()
                await self.pause(RENEW_SECONDS)
        finally:
            await self._release_all()

    async def _tick(self) -> None:
        await self._renew()
        await self._adjust()
        daemons = await self._leases.held(DAEMON_PREFIX)
        share = ceil(PARTITIONS / max(1, len(daemons)))
        await self._let_go(share)
        if len(self._held) < share:
            await self._gain(share)

    async def _renew(self) -> None:
        if self._alive is None:
            self._alive = await self._leases.acquire(
                daemon_lease(self.owner), self.owner, TTL_SECONDS
            )
        mine = [*self._held.values(), *([self._alive] if self._alive else [])]
        asked_at = monotonic()
        gone = await self._leases.renew_all(self.owner, mine, TTL_SECONDS)
        self._valid_until = asked_at + TTL_SECONDS
        if self._alive in gone:
            self._alive = None
        lost = {number for number, lease in self._held.items() if lease in gone}
        if lost:
            log.warning("partitions.lost", partitions=sorted(lost))
            self.lost(lost)

    async def _adjust(self) -> None:
        """Correct what lies too far ahead because the database's clock went back."""
        adjusted = await self._leases.adjust()
        if adjusted:
            log.warning(
                "leases.clock_went_back",
                leases=sorted(adjusted),
                reason="they expired later than their time to live allows: the clock of the "
                "database's server went back",
                next_step="they end after one time to live unless their owners renew them",
            )
        now = asyncio.get_running_loop().time()
        if self._corrected_at is None or now - self._corrected_at >= _CORRECT_SECONDS:
            self._corrected_at = now
            await self._bring_forward()

    async def _bring_forward(self) -> None:
        (late,) = await self._database.fetch(STATEMENTS["bring_forward"])
        if any(late.values()):
            log.warning(
                "dispatch.clock_went_back",
                **late,
                reason="they were due later than any pause allows: the clock of the database's "
                "server went back",
                next_step="they are due now",
            )

    async def _let_go(self, share: int) -> None:
        excess = len(self._held) - share
        self._leaving = set(sorted(self._held, reverse=True)[:excess]) if excess > 0 else set()
        for number in [each for each in self._leaving if self._in_hand(each) == 0]:
            lease = self._held.pop(number)
            self._leaving.discard(number)
            await lease.release()
            log.info("partitions.released", partition=number)

    async def _gain(self, share: int) -> None:
        taken = await self._leases.held(PARTITION_PREFIX)
        gained = set()
        for number in range(PARTITIONS):
            if len(self._held) >= share:
                break
            name = partition_lease(number)
            if number in self._held or name in taken:
                continue
            lease = await self._leases.acquire(name, self.owner, TTL_SECONDS)
            if lease is not None:
                self._held[number] = lease
                gained.add(number)
        if gained:
            log.info("partitions.acquired", partitions=sorted(gained), held=len(self._held))
            self._changed(gained, set())

    async def _release_all(self) -> None:
        leases = [*self._held.values(), *([self._alive] if self._alive else [])]
        self._held.clear()
        self._alive = None
        try:
            for lease in leases:
                await lease.release()
        except Unavailable as error:
            log.warning("partitions.not_released", error=str(error))
