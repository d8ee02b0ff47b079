"""`CallsByRoute`: how many calls a table of routes makes, with debounce and batch simulated. Pure.

Events join windows at the time at which they were recorded, in the order of the history.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import inf

import msgspec

from bridge.flow.windows import Closed, Windows
from bridge.routes.table import PlannedDispatch, RouteTable
from eventstore.events import StoredEvent

_US = 1_000_000


class CallCount(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of a route that has a window in one of two tables."""

    route: str
    events: tuple[int, int]
    """How many events it plans, before and after."""
    calls: tuple[int, int]
    """How many calls it makes for them, before and after."""
    others: int
    """How many events call in one of both only, or with other events."""
    first: int
    """The position of the first of these events."""


class CallsByRoute:
    """Counts calls, and notes which event makes each, with how many others.

    Args:
        names: The routes to count; others are passed over.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._windows: Mapping[str, Windows] = defaultdict(Windows)
        self._now = 0.0
        self.events: Counter[str] = Counter()
        self.calls: Mapping[str, dict[int, tuple[int, int]]] = defaultdict(dict)
        """By route and position of the calling event: the first of its events, and how many they are."""

    def add(self, stored: StoredEvent, plans: Sequence[PlannedDispatch]) -> None:
        """Count what an event's plans lead to."""
        for plan in plans:
            if plan.route not in self._names or plan.state != "open":
                continue
            self.events[plan.route] += 1
            self._join(stored, plan)

    def _join(self, stored: StoredEvent, plan: PlannedDispatch) -> None:
        window = None if plan.flow is None else plan.flow.window
        if window is None:
            self.calls[plan.route][stored.position] = stored.position, 1
            return
        # Recorded times of several sources are not in the order of positions.
        self._now = max(self._now, stored.recorded_us / _US)
        windows, revision = self._windows[plan.route], plan.route_digest.hex()
        self._note(plan.route, windows.close(self._now))
        self._note(plan.route, windows.join(stored.position, window, self._now, revision))

    def finish(self) -> None:
        """Close the windows that are open: their time ends after the history."""
        for route, windows in self._windows.items():
            self._note(route, windows.close(inf))

    def _note(self, route: str, closed: Iterable[Closed]) -> None:
        for each in closed:
            self.calls[route][each.members[-1]] = each.members[0], len(each.members)


def windowed(before: RouteTable, after: RouteTable) -> frozenset[str]:
    """Return the names of the routes that have a window in one of two tables."""
    routes = (*before.routes, *after.routes)
    return frozenset(route.name for route in routes if route.window is not None)


def differing(
    before: CallsByRoute, after: CallsByRoute, names: Iterable[str]
) -> list[CallCount]:
    """Return the routes whose calls differ."""
    found = []
    for name in sorted(names):
        old, new = before.calls.get(name, {}), after.calls.get(name, {})
        others = sorted(
            position
            for position in old.keys() | new.keys()
            if old.get(position) != new.get(position)
        )
        if others:
            found.append(
                CallCount(
                    route=name,
                    events=(before.events[name], after.events[name]),
                    calls=(len(old), len(new)),
                    others=len(others),
                    first=others[0],
                )
            )
    return found
