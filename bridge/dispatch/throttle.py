"""`Throttle`: limits of single routes, in flight and per second. Pure; time is an argument."""

from collections import defaultdict
from collections.abc import Callable

from bridge.routes.model import Route

_BURST_SECONDS = 0.1
"""A rate may be used this far in advance, so that the interval of polls does not lower it."""


class Throttle:
    """Decides for each route whether a call may start, and when to ask again.

    Args:
        routes: Returns a route by its name, None when it was removed; limits may change.
    """

    def __init__(self, routes: Callable[[str], Route | None]) -> None:
        self._routes = routes
        self._in_flight: dict[str, int] = defaultdict(int)
        self._next: dict[str, float] = {}

    def limits(self, name: str) -> bool:
        """Return whether a route has limits of its own."""
        route = self._routes(name)
        return route is not None and (route.max_in_flight is not None or route.rate is not None)

    def admit(self, name: str, now: float) -> float:
        """Count a call and return 0, or return the seconds to wait before asking again.

        ``inf``: ask again when a call of this route has ended.
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
        """Remove an ended call from the count."""
        self._in_flight[name] -= 1
