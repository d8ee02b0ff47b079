"""What happens to a cell of `tests.support.retentions` while its events are published."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

from nats.js.errors import ServerError

from bridge.devstack.child import Child
from tests.support import checker
from tests.support.daemon import running
from tests.support.retentions import COUNT, HELD_BACK, Cell
from tests.support.waiting import eventually


async def restart(_cell: Cell, daemons: list[Child]) -> None:
    """The daemon is stopped and started."""
    [daemon, *_] = daemons
    await daemon.stop()
    await daemon.start()


async def takeover(cell: Cell, daemons: list[Child]) -> None:
    """The leader is killed; the other one takes over."""
    await (await leader(cell, daemons)).kill()


async def frozen(cell: Cell, daemons: list[Child]) -> None:
    """The leader is frozen with a pull open until the other has taken over, and thaws."""
    victim = await leader(cell, daemons)
    os.kill(victim.pid, signal.SIGSTOP)
    try:

        async def taken_over() -> bool:
            return await leader(cell, daemons) is not victim

        await eventually(taken_over, within=120)
        # All that is not held back may be recorded by then.
        await cell.recorded(min(await cell.stored() + 20, COUNT - HELD_BACK))
    finally:
        os.kill(victim.pid, signal.SIGCONT)


async def nats_restart(cell: Cell, _daemons: list[Child]) -> None:
    """NATS is killed and started."""
    await cell.server.kill()
    await cell.server.start()


async def reconnection(cell: Cell, _daemons: list[Child]) -> None:
    """The daemons' connections are cut, several times."""
    for _ in range(3):
        cell.proxy.cut()
        await asyncio.sleep(0.3)


async def purge(cell: Cell, daemons: list[Child]) -> None:
    """The stream is purged while nobody reads it."""
    for daemon in daemons:
        await daemon.kill()
    await asyncio.sleep(0.5)
    client = await cell.client()
    await client.jetstream().purge_stream(cell.stream)
    await client.close()
    cell.purged = True
    for daemon in daemons:
        await daemon.start()


async def consumer_deleted(cell: Cell, _daemons: list[Child]) -> None:
    """Somebody deletes the consumer; interest retention drops what it had not acknowledged."""
    client = await cell.client()
    try:
        await client.jetstream().delete_consumer(cell.stream, "ntbridge")
    except ServerError as error:
        # The consumer is gone, and a write that was under way has left a file in its folder.
        if "directory not empty" not in (error.description or ""):
            raise
    await client.close()
    cell.purged = cell.retention == "interest"


FAULTS: tuple[Callable[[Cell, list[Child]], Awaitable[None]], ...] = (
    *(restart, takeover, frozen, nats_restart, reconnection, purge, consumer_deleted),
)


async def leader(cell: Cell, daemons: list[Child]) -> Child:
    """Which of the daemons holds the source's lease."""

    async def look() -> Child | None:
        rows = await checker.rows(
            cell.bridge,
            "select owner from leases where name = 'source/EVENTS/ntbridge' "
            "and expires_at > clock_timestamp()",
        )
        owners = [row["owner"].split(":")[1] for row in rows]
        return next(
            (each for each in daemons if each.running and str(each.pid) in owners), None
        )

    found: Child = await eventually(look, within=120, what="a leader")
    return found


async def run(cell: Cell, fault: Callable[[Cell, list[Child]], Awaitable[None]]) -> None:
    """Publish, do it twice in between, judge."""
    daemons = [cell.bridge.daemon(name) for name in ("one", "two")]
    async with running(*daemons):
        await cell.consumed()
        publishing_all = asyncio.create_task(cell.publish(first=cell.history))
        for part in (1, 2):
            await cell.recorded(part * COUNT // 6)
            await fault(cell, daemons)
            for daemon in daemons:
                await daemon.start()
        cell.faults_done.set()
        await publishing_all
        await cell.judge()
