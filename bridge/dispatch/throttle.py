"""Limits of single routes: calls in flight, calls a second. Pure; time is an argument."""

from collections import defaultdict
from collections.abc import Callable

from bridge.routes.model import Route

_BURST_SECONDS = 0.1
"""A rate may be used up this far in advance, so that a poll's rounding costs nothing."""


class Throttle:
    """Says for each route whether a call may begin, and when to ask again.

    Args:
        routes: Finds a route by its name, None when it is gone; limits may change any time.
    """

    def __init__(self, routes: Callable[[str], Route | None]) -> None:
        self._routes = routes
        self._in_flight: dict[str, int] = defaultdict(int)
        self._next: dict[str, float] = {}

    def admit(self, name: str, now: float) -> float:
        """Count a call in and return 0, or return how many seconds to wait before asking again.

        ``inf`` means: ask again when a call of this route has ended.
        """
        route = self._routes(name)
        if route is not None:
            if route.max_in_flight is not None and self._in_flight[name] >= route.max_in_flight:
                return float("inf")
            if route.rate is not None:
                due = self._next.get(name, now)
                if due - now > _BURST_SECONDS:
                    return due - now - _BURST_SECONDS
                self._next[name] = max(due, now - _BURST_SECONDS) + 1 / route.rate
        self._in_flight[name] += 1
        return 0.0

    def ended(self, name: str) -> None:
        """Count a call out."""
        self._in_flight[name] -= 1
