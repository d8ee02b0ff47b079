"""A deadline for what may last however long, as long as it moves."""

import asyncio
from types import TracebackType
from typing import Self

from eventstore.errors import Unavailable


class Stalling:
    """Ends its block when nothing has moved for a number of seconds.

    Raises:
        Unavailable: Nothing moved; the block was cancelled.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._watch = asyncio.timeout(seconds)

    def moved(self) -> None:
        """Count the seconds anew."""
        self._watch.reschedule(asyncio.get_running_loop().time() + self._seconds)

    def paused(self) -> None:
        """Count nothing until it has `moved`: somebody else is at work."""
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
