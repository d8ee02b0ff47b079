"""Doing something alone: work that runs only while a lease is held.

A lease says who *should* do it; that nobody else *can* is up to the work, which checks the
lease in every transaction it commits (`Lease.assert_held`). A leader that was frozen past its
expiry therefore does no harm when it thaws: its next commit fails, and its work is ended here.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bridge.services import rest
from eventstore.errors import Deposed, Unavailable
from eventstore.leases import Lease, Leases

log = structlog.get_logger(__name__)

TTL_SECONDS = 5.0
"""How long a daemon that died keeps others waiting, at most."""
RENEW_SECONDS = TTL_SECONDS / 4


class Leadership:
    """One lease, and the work that is done under it.

    Args:
        leases: Where leases are.
        name: What this one is for.
        owner: Who we are, for people to read.
    """

    def __init__(self, leases: Leases, name: str, owner: str) -> None:
        self._leases = leases
        self._name = name
        self._owner = owner

    async def run(
        self,
        work: Callable[[Lease], Awaitable[None]],
        stopping: asyncio.Event,
    ) -> None:
        """Acquire, work, and again whenever the lease is lost, until ``stopping`` is set.

        The work should return soon after that; it is cancelled when the lease is lost.
        """
        while not stopping.is_set():
            lease = await self._acquire(stopping)
            if lease is None:
                return
            log.info("lease.acquired", lease=self._name, epoch=lease.epoch)
            try:
                await self._work_under(lease, work)
            except Deposed as error:
                log.warning("lease.lost", lease=self._name, error=str(error))
            finally:
                await self._release(lease)

    async def _acquire(self, stopping: asyncio.Event) -> Lease | None:
        said = False
        while not stopping.is_set():
            try:
                lease = await self._leases.acquire(self._name, self._owner, TTL_SECONDS)
            except Unavailable as error:
                log.warning("lease.store_unavailable", lease=self._name, error=str(error))
            else:
                if lease is not None:
                    return lease
                if not said:
                    said = True
                    log.info("lease.held_by_another", lease=self._name)
            await rest(stopping, RENEW_SECONDS)
        return None

    async def _work_under(
        self,
        lease: Lease,
        work: Callable[[Lease], Awaitable[None]],
    ) -> None:
        working = asyncio.ensure_future(work(lease))
        renewing = asyncio.ensure_future(self._renew(lease))
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            renewing.cancel()
            if not working.done():
                working.cancel()
            await asyncio.gather(renewing, working, return_exceptions=True)
        for task in (working, renewing):
            if not task.cancelled():
                task.result()

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await lease.renew()
            except Unavailable as error:
                # Until somebody else takes it, it is still ours; every commit is checked.
                log.warning("lease.not_renewed", lease=self._name, error=str(error))

    async def _release(self, lease: Lease) -> None:
        try:
            await lease.release()
        except Unavailable as error:
            log.warning("lease.not_released", lease=self._name, error=str(error))
