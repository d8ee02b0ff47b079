"""Pace: how many calls Temporal bears at one time. Pure.

Source: TCP BBR (Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14/5, 2016).
As many are in flight as a gain times the rate of answers times what a call takes alone; the rate is
the number in flight by the latency (Little's law). With more, calls would only wait for each
other. Read the other way round: a call may take the gain times what it takes alone.

What it takes alone is learned from calls made alone, for which the limit is lowered for a few now
and then. Of several such looks the best one counts, as with BBR: between two bursts of calls a
server goes on working on what the last burst left behind, so that most looks find it slower
than it is.

When the server says that a limit of its own is exceeded, the limit is cut at once.
"""

from collections import deque

_GAIN = 3
_SMOOTHING = 0.05
_BACK_OFF = 0.5
_SHORTEST = 1e-6
"""Seconds: a clock may not have moved on since a call began."""
_OUR_OWN = 0.002
"""Seconds that a call may take by what else our own loop does: no server is measured more finely."""
_FIRST_LOOKS = (20, 100, 200)
_LOOK_EVERY = 500
"""Calls between two looks; the first follow each other sooner, since while a daemon begins much
goes on beside them. Until the first the initial limit stands."""
_LOOK_CALLS = 8
"""Calls that a look takes, after the others have been answered."""
_LOOKS = 10
"""Looks that count: that a server has become slower for good is believed after so many."""


class Pace:
    """The limit on calls in flight, adapted call by call.

    Args:
        initial: The limit to begin with, within the other two.
        least: Never less than this, but for a look.
        most: Never more than this, whatever the others say.
    """

    def __init__(self, initial: int = 8, least: int = 2, most: int = 200) -> None:
        self._least = min(least, most)
        self._limit = float(min(max(initial, self._least), most))
        self._most = most
        self._alone: deque[float] = deque(maxlen=_LOOKS)
        self._pauses = iter(_FIRST_LOOKS)
        self._until_look = self._pause()
        self._look: list[float] = []
        self._seconds = self._in_flight = 0.0

    @property
    def limit(self) -> int:
        """How many calls may be in flight now."""
        return 1 if self.looking else round(self._limit)

    @property
    def looking(self) -> bool:
        """Whether calls are made alone, to learn how long that takes."""
        return self._until_look <= 0

    def answered(self, seconds: float, in_flight: int) -> None:
        """Learn from a call that was answered after so long, with so many in flight at its start."""
        seconds = max(seconds, _SHORTEST)
        if self.looking:
            self._look_at(seconds, in_flight)
            return
        self._until_look -= 1
        if in_flight < self._limit / 2 or not self._alone:
            # Latency says nothing about a limit that is not used.
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
        """Go on: enough is known, or what was called alone is not answered, and others need not wait for it."""
        self._look.clear()
        self._until_look = self._pause()

    def exceeded(self) -> None:
        """Learn that the server refused for exceeding one of its limits."""
        self._limit = max(self._least, self._limit * _BACK_OFF)

    def _look_at(self, seconds: float, in_flight: int) -> None:
        """Learn what a call takes that has no company."""
        if in_flight > 1:
            return
        self._look.append(seconds)
        if len(self._look) == _LOOK_CALLS:
            self._alone.append(sum(self._look) / _LOOK_CALLS)
            self.end_look()

    def _pause(self) -> int:
        return next(self._pauses, _LOOK_EVERY)
