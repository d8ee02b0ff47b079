"""`Settler`: commits outcomes of dispatches in groups, fenced by the partitions' leases.

A commit costs Postgres and the daemon nearly the same for one dispatch as for thirty, and on a busy
machine it takes processor time from calls. Therefore a group waits briefly for more outcomes while
other calls can be made; when there are none, lanes wait for the commit, and it is made at once.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from bridge.dispatch.ledger import Ledger, Settlement
from bridge.dispatch.ownership import Ownership
from bridge.dispatch.partitions import partition_of
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.services import rest
from eventstore.errors import Deposed, Unavailable

log = structlog.get_logger(__name__)

_LINGER_SECONDS = 0.02
"""Maximum time that a settlement waits for others."""


class Settler:
    """Writes settlements in groups: all that were submitted since the last commit.

    Args:
        ledger: Writes them.
        ownership: Has the leases that every commit asserts.
        settled: Called after each commit with its group, and with the number of waiting
            dispatches that it made due.
    """

    def __init__(
        self,
        ledger: Ledger,
        ownership: Ownership,
        settled: Callable[[Sequence[Settlement], int], None],
    ) -> None:
        self._ledger = ledger
        self._ownership = ownership
        self._settled = settled
        self._pending: list[Settlement] = []
        self._work = asyncio.Event()
        self._hurry = asyncio.Event()
        self._hurry.set()
        self._writing = asyncio.Lock()
        self._finishing = asyncio.Event()

    def submit(self, settlement: Settlement) -> None:
        """Add a settlement to the next group."""
        self._pending.append(settlement)
        self._work.set()

    def waited_for(self, waited_for: bool) -> None:  # noqa: FBT001 - the only argument
        """Set whether calls wait for the next commit, or other calls can be made until then."""
        if waited_for:
            self._hurry.set()
        else:
            self._hurry.clear()

    async def run(self) -> None:
        """Write groups until cancelled."""
        while True:
            await self._work.wait()
            await rest(self._hurry, _LINGER_SECONDS)
            self._work.clear()
            await self._flush()

    async def finish(self) -> None:
        """Write pending settlements once, without retries if the database is unavailable."""
        self._finishing.set()
        await self._flush()

    async def _flush(self) -> None:
        async with self._writing:
            group, self._pending = self._pending, []
            attempt = 0
            while group:
                attempt += 1
                try:
                    await self._write(group)
                    group = []
                except Unavailable as error:
                    log.warning("dispatch.not_settled", error=str(error), dispatches=len(group))
                    if self._finishing.is_set():
                        # They stay open: a repeat with the same request ids has the same effects.
                        return
                    await rest(self._finishing, backoff(attempt))

    async def _write(self, group: Sequence[Settlement]) -> None:
        by_partition: dict[int, list[Settlement]] = {}
        for settlement in group:
            by_partition.setdefault(partition_of(settlement.dispatch.key), []).append(
                settlement
            )
        held = {number: each for number, each in by_partition.items() if self._holds(number)}
        try:
            await self._commit(held)
        except Deposed:
            # One of the leases is lost: commit each partition alone, to keep the others.
            for number, settlements in held.items():
                await self._commit_one(number, settlements)

    async def _commit(self, by_partition: dict[int, list[Settlement]]) -> None:
        leases = self._ownership.leases_of(set(by_partition))
        if not by_partition or leases is None:
            return
        group = [each for settlements in by_partition.values() for each in settlements]
        woken = await self._ledger.settle(group, leases)
        self._settled(group, woken)

    async def _commit_one(self, number: int, settlements: list[Settlement]) -> None:
        try:
            await self._commit({number: settlements})
        except Deposed as error:
            log.warning("dispatch.deposed", partition=number, error=str(error))
            self._ownership.lost({number})

    def _holds(self, number: int) -> bool:
        return self._ownership.leases_of({number}) is not None
