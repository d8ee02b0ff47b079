"""Signs of life from an activity that waits for something."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from temporalio import activity


@asynccontextmanager
async def heartbeating() -> AsyncIterator[None]:
    """Heartbeat while the body runs, three times within the activity's heartbeat timeout.

    Heartbeats are also how an activity hears that it is cancelled. A body that is done before
    the first is due sends none, and costs the server nothing.
    """
    timeout = activity.info().heartbeat_timeout
    if not timeout:
        yield
        return
    beat = asyncio.create_task(_beat(timeout / 3))
    try:
        yield
    finally:
        beat.cancel()
        with suppress(asyncio.CancelledError):
            await beat


async def _beat(every: timedelta) -> None:
    while True:
        await asyncio.sleep(every.total_seconds())
        activity.heartbeat()
