"""How far a long command has come, told on standard error."""

import time

from bridge.cli.common import note

_EVERY_SECONDS = 1.0


class Progress:
    """Tells at most once a second how many of how many are done; short work says nothing."""

    def __init__(self, done: str, total: int) -> None:
        self._word = done
        self._total = total
        self._count = 0
        self._said_at = time.monotonic()

    def step(self, count: int = 1) -> None:
        """Note that so many more are done."""
        self._count += count
        now = time.monotonic()
        if now - self._said_at >= _EVERY_SECONDS:
            self._said_at = now
            note(f"{self._count} of {self._total} {self._word}")
