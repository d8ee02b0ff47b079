"""Signs of life from an activity that waits for something."""

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


# Trying again when the other side says so.


@contextmanager
def patiently() -> Iterator[None]:
    """Make a request for patience in the body decide when the next try is due.

    Raises:
        ApplicationError: Of the error's type, with the time that was asked for.
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
