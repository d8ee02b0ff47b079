"""Pace: how many calls Temporal bears at one time. Pure.

Source: the "Gradient2" limiter of Netflix' concurrency-limits. The long-term latency stands for
a server at ease; when the latency of the moment rises above it by more than a tolerance, calls
queue somewhere, and the limit shrinks in proportion; otherwise it grows by a small allowance for
queueing. When the server says that a limit of its own is exceeded, the limit is cut at once, and
nothing is sent for a moment.
"""

from math import sqrt

_TOLERANCE = 1.5
_SMOOTHING = 0.2
_LONG_WINDOW = 600
_WARM_UP = 10
_LEAST_GRADIENT = 0.5
_BACK_OFF = 0.5
_STALE_FACTOR = 2.0
_DECAY = 0.95


class Pace:
    """The limit on calls in flight, adapted call by call.

    Args:
        initial: The limit to begin with.
        least: Never less than this.
        most: Never more than this.
    """

    def __init__(self, initial: int = 8, least: int = 2, most: int = 200) -> None:
        self._limit = float(initial)
        self._least = least
        self._most = most
        self._long = 0.0
        self._samples = 0

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return int(self._limit)

    def answered(self, seconds: float, in_flight: int) -> None:
        """Learn from a call that was answered after so long, with so many in flight at its start."""
        self._learn(seconds)
        if in_flight < self._limit / 2:
            # Latency says nothing about a limit that is not used.
            return
        gradient = max(_LEAST_GRADIENT, min(1.0, _TOLERANCE * self._long / seconds))
        wanted = self._limit * gradient + sqrt(self._limit)
        smoothed = self._limit * (1 - _SMOOTHING) + wanted * _SMOOTHING
        self._limit = max(self._least, min(self._most, smoothed))

    def exceeded(self) -> None:
        """Learn that the server refused for exceeding one of its limits."""
        self._limit = max(self._least, self._limit * _BACK_OFF)

    def _learn(self, seconds: float) -> None:
        """Update the long-term latency: a mean first, an exponential average then."""
        self._samples += 1
        if self._samples <= _WARM_UP:
            self._long += (seconds - self._long) / self._samples
            return
        self._long += (seconds - self._long) * 2 / (_LONG_WINDOW + 1)
        if self._long / seconds > _STALE_FACTOR:
            # The server has become much faster: forget the bad times sooner.
            self._long *= _DECAY
