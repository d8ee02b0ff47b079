"""Pace: how many calls Temporal bears at one time. Pure.

Source: the "Gradient2" limiter of Netflix' concurrency-limits, with one change. There the
long-term mean of the latency stands for a server at ease; under a long backlog that mean comes to
include the very queue the limit makes, and the limit drifts upwards without end. Here the
latency at ease is learned only from calls made while hardly any others were in flight; so that
there are such calls under load too, the limit is lowered for a few calls now and then, as TCP
BBR does to learn its round-trip time (Cardwell et al., "BBR", 2016).

When the latency of the moment rises above the latency at ease by more than a tolerance, calls
queue somewhere, and the limit shrinks in proportion; otherwise it grows by a small allowance for
queueing. When the server says that a limit of its own is exceeded, the limit is cut at once.
"""

from math import sqrt

_TOLERANCE = 1.5
_SMOOTHING = 0.2
_LEAST_GRADIENT = 0.5
_BACK_OFF = 0.5
_SHORTEST = 1e-6
"""Seconds: a clock may not have moved on since a call began."""
_FIRST_PROBE = 20
"""Calls before the first look; until then the initial limit stands."""
_PROBE_EVERY = 500
"""Calls between two looks at the latency at ease."""
_PROBE_CALLS = 8
"""Calls that such a look takes, after the others have been answered."""


class Pace:
    """The limit on calls in flight, adapted call by call.

    Args:
        initial: The limit to begin with, within the other two.
        least: Never less than this; with as many in flight the server is at ease.
        most: Never more than this, whatever the others say.
    """

    def __init__(self, initial: int = 8, least: int = 2, most: int = 200) -> None:
        self._least = min(least, most)
        self._limit = float(min(max(initial, self._least), most))
        self._most = most
        self._at_ease: float | None = None
        self._until_probe = _FIRST_PROBE
        self._probe: list[float] = []

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return self._least if self._until_probe <= 0 else int(self._limit)

    def answered(self, seconds: float, in_flight: int) -> None:
        """Learn from a call that was answered after so long, with so many in flight at its start."""
        seconds = max(seconds, _SHORTEST)
        if self._until_probe <= 0:
            self._look(seconds, in_flight)
            return
        self._until_probe -= 1
        if in_flight < self._limit / 2 or self._at_ease is None:
            # Latency says nothing about a limit that is not used.
            return
        gradient = max(_LEAST_GRADIENT, min(1.0, _TOLERANCE * self._at_ease / seconds))
        wanted = self._limit * gradient + sqrt(self._limit)
        smoothed = self._limit * (1 - _SMOOTHING) + wanted * _SMOOTHING
        self._limit = max(self._least, min(self._most, smoothed))

    def exceeded(self) -> None:
        """Learn that the server refused for exceeding one of its limits."""
        self._limit = max(self._least, self._limit * _BACK_OFF)

    def _look(self, seconds: float, in_flight: int) -> None:
        """Learn the latency at ease from calls that had hardly any company."""
        if in_flight > self._least:
            return
        self._probe.append(seconds)
        if len(self._probe) == _PROBE_CALLS:
            self._at_ease = sorted(self._probe)[_PROBE_CALLS // 2]
            self._probe.clear()
            self._until_probe = _PROBE_EVERY
