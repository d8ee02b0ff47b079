"""`Pace`: how many concurrent calls Temporal can take. Pure.

Source: TCP BBR (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14/5, 2016).
The limit is a gain times the rate of answers times the duration of a call made alone; the rate is the
number in flight divided by the latency (Little's law). More calls would only wait for each other. In
other words: a call may take up to the gain times its duration alone.

The duration alone is measured periodically ("a look"): the limit drops to 1 for a few calls. The shortest
of several looks counts, as in BBR: after a burst of calls a server still works on the backlog, so
most looks measure it as slower than it is.

When the server reports that one of its limits is exceeded, the limit is reduced at once.
"""

from collections import deque

_GAIN = 3
_SMOOTHING = 0.05
_BACK_OFF = 0.5
_SHORTEST = 1e-6
"""Seconds; the clock may show no time since a call started."""
_OUR_OWN = 0.005
"""Seconds that this process's own event loop may add to a call; shorter durations are not used. A turn of
the loop takes up to 10 ms while events are recorded, and a limit that counts that as Temporal's leaves the
processor idle. With 8 ms, starts at Temporal's development server took over four times as long as one alone."""
_FIRST_LOOKS = (20, 100, 200)
_LOOK_EVERY = 500
"""Calls between two looks. The first looks follow sooner, because a starting daemon has much other
work. The initial limit holds until the first look."""
_LOOK_SECONDS = 2.0
"""Minimum time of calls between two of the later looks: each slows calls down for some ten of them."""
_LOOK_CALLS = 8
"""Number of calls in a look, after the others were answered."""
_LOOKS = 10
"""Number of recent looks that count; a server that stays slower is recognised after so many."""


class Pace:
    """The limit on calls in flight, adapted call by call.

    Args:
        initial: The initial limit, clamped to the other two.
        least: The minimum, except during a look.
        most: The maximum; it overrides the others.
    """

    def __init__(self, initial: int = 8, least: int = 2, most: int = 200) -> None:
        self._least = min(least, most)
        self._limit = float(min(max(initial, self._least), most))
        self._most = most
        self._alone: deque[float] = deque(maxlen=_LOOKS)
        self._pauses = iter((calls, 0.0) for calls in _FIRST_LOOKS)
        self._until_look, self._seconds_until_look = self._pause()
        self._look: list[float] = []
        self._seconds = self._in_flight = 0.0

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return 1 if self.looking else round(self._limit)

    @property
    def looking(self) -> bool:
        """Whether a look is in progress: calls are made alone and measured."""
        return self._until_look <= 0 and self._seconds_until_look <= 0

    def answered(self, seconds: float, in_flight: int) -> None:
        """Adapt to an answered call: its seconds, and the number in flight at its start."""
        seconds = max(seconds, _SHORTEST)
        if self.looking:
            self._look_at(seconds, in_flight)
            return
        self._until_look -= 1
        self._seconds_until_look -= seconds / in_flight
        if in_flight < self._limit / 2 or not self._alone:
            # Latency says nothing about a limit that is not reached.
            return
        if not self._seconds:
            self._seconds, self._in_flight = seconds, in_flight
        self._seconds += (seconds - self._seconds) * _SMOOTHING
        self._in_flight += (in_flight - self._in_flight) * _SMOOTHING
        rate = self._in_flight / self._seconds
        wanted = min(_GAIN * rate * max(min(self._alone), _OUR_OWN), 2 * self._limit)
        smoothed = self._limit + (wanted - self._limit) * _SMOOTHING
        self._limit = max(self._least, min(self._most, smoothed))

    def end_look(self) -> None:
        """End a look: it is complete, or its call is unanswered for too long."""
        self._look.clear()
        self._until_look, self._seconds_until_look = self._pause()

    def exceeded(self) -> None:
        """Reduce the limit: the server refused a call because of one of its limits."""
        self._limit = max(self._least, self._limit * _BACK_OFF)

    def _look_at(self, seconds: float, in_flight: int) -> None:
        """Record the duration of a call made alone."""
        if in_flight > 1:
            return
        self._look.append(seconds)
        if len(self._look) == _LOOK_CALLS:
            self._alone.append(sum(self._look) / _LOOK_CALLS)
            self.end_look()

    def _pause(self) -> tuple[int, float]:
        """Return the calls and the seconds of calls until the next look."""
        return next(self._pauses, (_LOOK_EVERY, _LOOK_SECONDS))
