"""Pauses between attempts: exponential backoff with jitter. Pure."""

import random

_FIRST_PAUSE_SECONDS = 0.2
_MAX_PAUSE_SECONDS = 10.0
_MAX_DOUBLINGS = 16
"""Attempts have no bound, and ``2.0 ** n`` overflows from n = 1024."""


def backoff(attempts: int) -> float:
    """Return the seconds to wait after a number of attempts: doubling, capped, with jitter.

    "Equal jitter": between half and the whole of the doubled pause (Brooker, "Exponential Backoff
    And Jitter", 2015).
    """
    pause = doubled(_FIRST_PAUSE_SECONDS, attempts - 1, _MAX_PAUSE_SECONDS)
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing


def doubled(first: float, times: int, longest: float) -> float:
    """Return the first pause doubled a number of times, at most the longest; in seconds."""
    return min(first * 2.0 ** min(times, _MAX_DOUBLINGS), longest)
