"""Detect that the database's clock goes back, compared with a monotonic clock. Pure."""

from datetime import datetime

_MIN_SECONDS = 1.0


class ClockWatch:
    """Detects that the database's clock goes back.

    It remembers how far the clock is ahead of this process's monotonic clock.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._back = 0.0
        self._until = 0.0

    def went_back(self, time: datetime | None, monotonic: float) -> float:
        """Return by how many seconds the clock went back recently; 0 if it did not.

        A step back by n seconds counts as recent for n seconds: until then, times that were
        stored before it lie in the future.

        Args:
            time: The database's time; None if it did not answer.
            monotonic: The monotonic time at the same moment, in seconds.
        """
        if time is not None:
            ahead = time.timestamp() - monotonic
            back = 0.0 if self._ahead is None else self._ahead - ahead
            self._ahead = ahead
            if back > _MIN_SECONDS:
                self._back, self._until = back, monotonic + back
        return self._back if monotonic < self._until else 0.0
