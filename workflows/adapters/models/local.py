"""Cache and limits of one process."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from workflows.adapters.models.calls import Completion

WINDOW = 60.0
"""Seconds over which calls and tokens are counted."""
_MAX_ANSWERS = 200
_MAX_CHARACTERS = 16 * 2**20

Clock = Callable[[], float]


class LocalAnswers:
    """A cache in memory; the answers that were used longest ago go first."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._stored: OrderedDict[str, tuple[float, Completion]] = OrderedDict()
        self._characters = 0

    async def get(self, key: str) -> Completion | None:
        """Return a stored answer."""
        stored = self._stored.get(key)
        if stored is None:
            return None
        until, answer = stored
        if until <= self._clock():
            self._drop(key)
            return None
        self._stored.move_to_end(key)
        return answer

    async def put(self, key: str, answer: Completion) -> None:
        """Store an answer."""
        if key in self._stored:
            self._drop(key)
        self._stored[key] = (self._clock() + self._seconds, answer)
        self._characters += len(answer.text)
        while len(self._stored) > _MAX_ANSWERS or self._characters > _MAX_CHARACTERS:
            self._drop(next(iter(self._stored)))

    def _drop(self, key: str) -> None:
        self._characters -= len(self._stored.pop(key)[1].text)


@dataclass(frozen=True)
class Limits:
    """Limits a minute; None: no limit."""

    requests: int | None = None
    tokens: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.requests is not None or self.tokens is not None


class LocalWindow:
    """A sliding window in memory: in no 60 seconds are there more calls than the limit.

    A call that alone has more tokens than the limit is allowed when nothing else is in the window.
    """

    def __init__(self, limits: Limits, clock: Clock = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._calls: dict[str, tuple[float, int]] = {}

    async def take(self, call: str, tokens: int) -> float:
        """Count a call if the limits allow it."""
        now = self._clock()
        self._forget(now)
        wait = self._wait(now, tokens)
        if wait == 0:
            self._calls[call] = (now, tokens)
        return wait

    async def settle(self, call: str, tokens: int) -> None:
        """Correct the tokens of a call."""
        if call in self._calls:
            self._calls[call] = (self._calls[call][0], tokens)

    def note(self, call: str, tokens: int) -> None:
        """Count a call that another window allowed."""
        now = self._clock()
        self._forget(now)
        self._calls[call] = (now, tokens)

    def _forget(self, now: float) -> None:
        self._calls = {
            call: counted for call, counted in self._calls.items() if counted[0] + WINDOW > now
        }

    def _wait(self, now: float, tokens: int) -> float:
        """Return the seconds until enough calls have left the window."""
        counted = list(self._calls.values())
        leaving = 0
        if self._limits.requests is not None:
            leaving = max(0, len(counted) - self._limits.requests + 1)
        if self._limits.tokens is not None:
            used = sum(each for _, each in counted[leaving:])
            while leaving < len(counted) and used + tokens > self._limits.tokens:
                used -= counted[leaving][1]
                leaving += 1
        return counted[leaving - 1][0] + WINDOW - now if leaving else 0.0
