"""Whether the database's clock goes back, judged by this process's monotonic clock. Pure."""

from datetime import datetime

_MIN_SECONDS = 1.0


class ClockWatch:
    """Remembers how far the database's clock is ahead of the monotonic one."""

    def __init__(self) -> None:
        self._ahead: float | None = None
        self._back = 0.0
        self._until = 0.0

    def went_back(self, time: datetime | None, monotonic: float) -> float:
        """Return by how many seconds the clock went back lately; 0 when it did not.

        It counts as lately for as long as it went back: so long, times that were stored before
        lie in the future.

        Args:
            time: By the database's clock; None when it did not answer.
            monotonic: At the same moment, in seconds.
        """
        if time is not None:
            ahead = time.timestamp() - monotonic
            back = 0.0 if self._ahead is None else self._ahead - ahead
            self._ahead = ahead
            if back > _MIN_SECONDS:
                self._back, self._until = back, monotonic + back
        return self._back if monotonic < self._until else 0.0
