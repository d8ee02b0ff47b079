"""Heartbeats and retry pauses of activities that wait for a server or a program."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from workflows.errors import GatewayFailedError


@asynccontextmanager
async def heartbeating() -> AsyncIterator[None]:
    """Heartbeat while the body runs, three times within the activity's heartbeat timeout.

    An activity learns of its cancellation by a heartbeat. A body that ends before the first
    heartbeat is due sends none.
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


# Retry when the other server asks for it.


@contextmanager
def patiently() -> Iterator[None]:
    """If the body raises an error with a requested pause, make the next attempt wait that long.

    Raises:
        ApplicationError: Has the error's type and the requested pause.
    """
    try:
        yield
    except GatewayFailedError as error:
        if error.seconds is None:
            raise
        raise ApplicationError(
            str(error),
            type=type(error).__name__,
            next_retry_delay=timedelta(seconds=error.seconds),
        ) from error
