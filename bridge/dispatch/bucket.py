"""`Bucket`: the tokens of a rate, one for each call. Pure; time is an argument.

*Promise*: several daemons divide a limit of N calls in a period P among them; each has a bucket with its part,
a whole number. In any time of the length P they begin at most N calls together, also while parts pass from
one to another.

*Why it holds.* A bucket holds at most c tokens and gets r = (V - c + 1) / P a second, where V is its part. In less
than P seconds it gives less than c + rP = V + 1 calls, so at most V. When a part grows, the bucket pays c tokens: what
it gave before, in the same time, came from its old part; the new one may have been used by another
daemon until it became free. So it does if it had a part less than P seconds ago. Tokens for the time in which no
daemon held the part are added (``idle``). When a part shrinks and c with it, the bucket pays the difference:
two parts have a higher rate together than the one they came from, in exchange for their smaller burst. A daemon
that has to pay yet (`owes`) does not give its whole part away: who gets it would not pay.
"""

_BURST_SECONDS = 0.1
_MAX_BURST = 0.1
"""Tokens may be saved for a tenth of a second, and for a tenth of the period: so the interval of timers does
not lower the rate by more than that."""
_ROUNDING = 1e-9


class Bucket:
    """The tokens of one rate.

    Args:
        per: The period, in seconds.
        now: The time, in seconds.
    """

    __slots__ = ("_at", "_capacity", "_emptied_at", "_level", "_per", "_refill", "value")

    def __init__(self, per: float, now: float) -> None:
        self._per = per
        self._at = now
        self._level = 0.0
        self._capacity, self._refill = 0.0, 0.0
        self._emptied_at = float("-inf")
        self.value = 0
        """Its part of the limit: the calls that may begin in a period."""

    def resize(self, value: int, now: float, idle: float | None = None) -> None:
        """Change the bucket's part of the limit.

        Args:
            value: The new part.
            now: The time.
            idle: What it gained could have been used for since it was free: calls times seconds. None:
                nothing was gained that another daemon may have used.
        """
        self._fill(now)
        was_used = self.value > 0 or now - self._emptied_at < self._per
        if value == 0 < self.value:
            self._emptied_at = now
        self.value = value
        before = self._capacity
        self._capacity = max(1.0, value * min(_MAX_BURST, _BURST_SECONDS / self._per))
        if value == 0:
            self._level = min(self._level, 0.0)
            self._capacity, self._refill = 0.0, 0.0
            return
        self._refill = (value - self._capacity + 1) / self._per
        if idle is None:
            self._level -= max(0.0, before - self._capacity)
        else:
            if was_used:
                self._level -= self._capacity
            self._level += min(idle / self._per, self._capacity)
        self._level = min(self._level, self._capacity)

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there will be one."""
        self._fill(now)
        if self._level >= 1 - _ROUNDING:
            self._level -= 1
            return 0.0
        return (1 - self._level) / self._refill if self._refill else float("inf")

    def owes(self, now: float) -> float:
        """Return the seconds until it has paid for parts that passed; 0 if it owes nothing."""
        self._fill(now)
        return max(0.0, -self._level / self._refill) if self._refill else 0.0

    def is_full(self, now: float) -> bool:
        """Return whether the bucket is full, like a new one."""
        self._fill(now)
        return self._level >= self._capacity

    def _fill(self, now: float) -> None:
        self._level = (
            min(self._capacity, self._level + max(0.0, now - self._at) * self._refill)
            if self.value
            else self._level
        )
        self._at = max(self._at, now)
