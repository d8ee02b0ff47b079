"""A timeout on progress: for work of any length that must not stall."""

import asyncio
from types import TracebackType
from typing import Self

from eventstore.errors import Unavailable


class StallTimeout:
    """Ends its block when there was no progress for a number of seconds.

    Raises:
        Unavailable: There was no progress; the block was cancelled.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watch = asyncio.timeout(seconds)

    def moved(self) -> None:
        """Restart the timeout: there was progress."""
        self._watch.reschedule(asyncio.get_running_loop().time() + self._seconds)

    def paused(self) -> None:
        """Stop the timeout until `moved`: the other side is working."""
        self._watch.reschedule(None)

    async def __aenter__(self) -> Self:
        await self._watch.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._watch.__aexit__(kind, error, traceback)
        except TimeoutError as stalled:
            if not self._watch.expired():
                raise
            raise Unavailable(f"no bytes came for {self._seconds:g} s") from stalled
