"""Doing something alone: work that runs only while a lease is held.

A lease says who *should* do it; that nobody else *can* is up to the work, which checks the
lease in every transaction it commits (`Lease.assert_held`). A leader that was frozen past its
expiry therefore does no harm when it thaws: its next commit fails, and its work is ended here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from bridge.errors import BridgeError
from bridge.lifecycle.services import rest
from eventstore.errors import Deposed, Unavailable
from eventstore.leases import Lease, Leases

log = structlog.get_logger(__name__)

TTL_SECONDS = 5.0
"""How long a daemon that died keeps others waiting, at most."""
RENEW_SECONDS = TTL_SECONDS / 4

_POLL_SECONDS = 0.25
_PATIENCE_SECONDS = TTL_SECONDS + 1
"""For so long a lease may be left over from somebody who was killed a moment ago."""


class HeldElsewhere(BridgeError):  # noqa: N818 - says what is the case
    """Somebody else does this at the moment."""


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
                await _released(lease)

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
        renewing = asyncio.ensure_future(_renewed(lease))
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


@asynccontextmanager
async def alone(leases: Leases, name: str, who: str) -> AsyncIterator[Lease]:
    """Hold a lease for a block, waiting for one that a killed process has left behind.

    The block is cancelled when the lease is lost.

    Raises:
        HeldElsewhere: Somebody else holds it, and goes on renewing it.
        Deposed: It was taken from us.
    """
    lease = await _acquire(leases, name, who)
    async with kept(lease):
        yield lease


@asynccontextmanager
async def kept(lease: Lease) -> AsyncIterator[None]:
    """Renew a lease for a block, and release it at the end; the block is cancelled when it is lost.

    Raises:
        Deposed: It was taken from us.
        EventStoreError: It cannot be renewed, for a reason that does not pass.
    """
    block = asyncio.current_task()
    lost: list[Exception] = []

    async def renew() -> None:
        try:
            await _renewed(lease)
        except Exception as error:  # noqa: BLE001 - raised where the block ends
            lost.append(error)
            if block is not None:
                block.cancel()

    renewing = asyncio.create_task(renew())
    try:
        yield
    except asyncio.CancelledError:
        if not lost:
            raise
        if block is not None:
            block.uncancel()
        raise lost[0] from None
    finally:
        renewing.cancel()
        await _released(lease)


async def _acquire(leases: Leases, name: str, who: str) -> Lease:
    clock = asyncio.get_running_loop().time
    patience = clock() + _PATIENCE_SECONDS
    while True:
        lease = await leases.acquire(name, who, TTL_SECONDS)
        if lease is not None:
            return lease
        if clock() >= patience:
            holder = (await leases.held(name)).get(name, "somebody else")
            raise HeldElsewhere(f"{name} is under way already, run by {holder}")
        await asyncio.sleep(_POLL_SECONDS)


async def _renewed(lease: Lease) -> None:
    """Renew a lease for as long as it is ours; raises `Deposed` when it is not any more."""
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await lease.renew()
        except Unavailable as error:
            # Until somebody else takes it, it is still ours; every commit is checked.
            log.warning("lease.not_renewed", lease=lease.name, error=str(error))


async def _released(lease: Lease) -> None:
    try:
        await lease.release()
    except Unavailable as error:
        log.warning("lease.not_released", lease=lease.name, error=str(error))
