"""Leadership: work that runs only while a lease is held.

A lease says which process *should* do the work. To guarantee that no other process *can*, the
work checks the lease in every transaction that it commits (`Lease.assert_held`). So a leader that
was frozen past the lease's expiry does no harm when it resumes: its next commit fails, and its
work is cancelled here.
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
"""The longest time that others wait for the lease of a daemon that died."""
RENEW_SECONDS = TTL_SECONDS / 4

_POLL_SECONDS = 0.25
_PATIENCE_SECONDS = TTL_SECONDS + 1
"""The lease of a process that was killed has expired after this time."""


class HeldElsewhere(BridgeError):  # noqa: N818 - says what is the case
    """Another process holds the lease."""


class Leadership:
    """One lease, and the work done under it.

    Args:
        leases: The leases in the database.
        name: The lease's name.
        owner: This process's name, shown to operators.
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
        """Acquire the lease and work; repeat whenever the lease is lost, until ``stopping`` is set.

        The work must return soon after that. It is cancelled when the lease is lost.
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
    """Hold a lease for a block; first wait for the lease of a killed process to expire.

    The block is cancelled when the lease is lost.

    Raises:
        HeldElsewhere: Another process holds it and renews it.
        Deposed: Another process has taken it.
    """
    lease = await _acquire(leases, name, who)
    async with kept(lease):
        yield lease


@asynccontextmanager
async def kept(lease: Lease) -> AsyncIterator[None]:
    """Renew a lease during a block and release it at the end; cancel the block when it is lost.

    Raises:
        Deposed: Another process has taken it.
        EventStoreError: It cannot be renewed, and trying again does not help.
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
            holder = (await leases.held(name)).get(name, "another process")
            raise HeldElsewhere(
                f"{name} is already being run by {holder}: wait until that has ended"
            )
        await asyncio.sleep(_POLL_SECONDS)


async def _renewed(lease: Lease) -> None:
    """Renew a lease until it is lost, then raise `Deposed`."""
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await lease.renew()
        except Unavailable as error:
            # It stays ours until another process takes it, and every commit checks it.
            log.warning("lease.not_renewed", lease=lease.name, error=str(error))


async def _released(lease: Lease) -> None:
    try:
        await lease.release()
    except Unavailable as error:
        log.warning("lease.not_released", lease=lease.name, error=str(error))
