"""`RunsByRoute`: what a table of routes starts, skips and leaves waiting, with slots simulated. Pure.

Events ask for slots at the time at which they were recorded, in the order of the history; those of a route with
a window join it then, and its last event asks for a slot when it closes. A run lasts as long as
the recorded run of the event did, by its closure event. A run without one ends when it has lasted as long as
the longest recorded run of its route, or else not at all. A run that is cancelled ends at once.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from math import ceil, inf
from typing import Literal
from uuid import UUID

import msgspec

from bridge.emit.request import stream_of
from bridge.flow.slots import Changes, Slots, Ticket
from bridge.flow.windows import Closed, Windows
from bridge.routes.table import PlannedDispatch, RouteTable
from bridge.runtime.event_types import closure_status
from eventstore.events import StoredEvent

_US = 1_000_000

Fate = Literal["started", "skipped", "replaced", "merged", "waiting"]
"""The result for one event: it is called, it finds no slot, a newer event replaces it, another event of its window
calls, or it still waits at the end."""


class SlotCount(msgspec.Struct, frozen=True, kw_only=True):
    """The results for the events of one route that has slots in at least one of the two tables."""

    route: str
    fates: tuple[Mapping[Fate, int], Mapping[Fate, int]]
    """The number of events with each result, before and after."""
    others: int
    """The number of events with a different result."""
    first: int
    """The position of the first of these events."""


class _Route:
    """The slots of one route."""

    def __init__(self) -> None:
        self.windows = Windows()
        self.gathering: dict[int, PlannedDispatch] = {}
        """The plans of the events in open windows, by position."""
        self.slots = Slots()
        self.fates: dict[int, Fate] = {}
        self.planned: dict[int, int] = {}
        """When the event was recorded, in microseconds, by position; until its result changes, or its run ends."""
        self.lengths: dict[int, int] = {}
        """Of runs that are not started here, in microseconds."""
        self.running: dict[int, int] = {}
        """When it began here, by position."""
        self.begun: deque[tuple[int, int]] = deque()
        self.longest: int | None = None


class RunsByRoute:
    """Counts the results for events.

    Args:
        names: The routes to count; others are passed over.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._routes = {name: _Route() for name in names}
        self._of_run: dict[tuple[UUID, str], tuple[str, int]] = {}
        """The route and position by event and stream of the run."""
        self._ends: list[tuple[int, str, int]] = []
        self._now = 0

    @property
    def fates(self) -> Mapping[str, Mapping[int, Fate]]:
        """What became of events, by route and position."""
        return {name: route.fates for name, route in self._routes.items()}

    def add(self, stored: StoredEvent, plans: Sequence[PlannedDispatch]) -> None:
        """Take the next event of the history, with its plans."""
        # Recorded times of several sources are not in the order of positions.
        self._advance(max(self._now, stored.recorded_us))
        if closure_status(stored.event.type, stored.topic or "") is not None:
            self._end(stored)
        for plan in plans:
            route = self._routes.get(plan.route)
            if route is not None and plan.state == "open":
                self._take(route, stored, plan)

    def _take(self, route: _Route, stored: StoredEvent, plan: PlannedDispatch) -> None:
        position = stored.position
        if plan.flow is None or (plan.flow.slot is None and plan.flow.window is None):
            route.fates[position] = "started"
            return
        route.fates[position] = "waiting"
        route.planned[position] = self._now
        self._of_run[stored.uid, stream_of(plan.target)] = plan.route, position
        if plan.flow.window is None:
            self._ask(route, position, plan)
            return
        route.gathering[position] = plan
        revision = plan.route_digest.hex()
        joined = route.windows.join(position, plan.flow.window, self._now / _US, revision)
        self._call(route, joined)

    def _call(self, route: _Route, closed: Iterable[Closed]) -> None:
        for window in closed:
            *others, caller = window.members
            for position in others:
                route.fates[position] = "merged"
                del route.gathering[position]
                route.planned.pop(position, None)
                route.lengths.pop(position, None)
            self._ask(route, caller, route.gathering.pop(caller))

    def _ask(self, route: _Route, position: int, plan: PlannedDispatch) -> None:
        slot = None if plan.flow is None else plan.flow.slot
        if slot is None:
            route.fates[position] = "started"
            return
        ticket = Ticket(position, position, (plan.namespace, slot.key), slot)
        self._apply(plan.route, route.slots.ask(ticket))

    def _end(self, stored: StoredEvent) -> None:
        if stored.causation_uid is None:
            return
        name, position = self._of_run.pop((stored.causation_uid, stored.stream), (None, 0))
        if name is None:
            return
        route = self._routes[name]
        began = route.planned.pop(position, None)
        if began is None:
            return
        length = self._now - began
        route.longest = max(route.longest or 0, length)
        if position in route.running:
            heappush(self._ends, (route.running[position] + length, name, position))
        elif route.fates[position] == "waiting":
            route.lengths[position] = length
        self._advance(self._now)

    def _advance(self, now: int) -> None:
        """Close the windows and end the runs whose time is over, in its order."""
        while True:
            closings = [each.windows.next_closing for each in self._routes.values()]
            due = min((each for each in closings if each is not None), default=inf)
            if due * _US > now:
                break
            self._end_runs(ceil(due * _US))
            for route in self._routes.values():
                self._call(route, route.windows.close(due))
        self._end_runs(now)

    def _end_runs(self, now: int) -> None:
        while True:
            for name, route in self._routes.items():
                while route.begun and route.longest is not None:
                    began, position = route.begun[0]
                    if began + route.longest >= now and position in route.running:
                        break
                    route.begun.popleft()
                    if position in route.running:
                        heappush(self._ends, (began + route.longest, name, position))
            if not self._ends or self._ends[0][0] > now:
                break
            at, name, position = heappop(self._ends)
            self._now = max(self._now, at)
            route = self._routes[name]
            if route.running.pop(position, None) is not None:
                self._apply(name, route.slots.free(position))
        self._now = max(self._now, now)

    def _apply(self, name: str, changes: Changes) -> None:
        route = self._routes[name]
        for position in changes.granted:
            route.fates[position] = "started"
            route.running[position] = self._now
            length = route.lengths.pop(position, None)
            if length is None:
                route.begun.append((self._now, position))
            else:
                heappush(self._ends, (self._now + length, name, position))
        fates: dict[int, Fate] = {
            **dict.fromkeys(changes.skipped, "skipped"),
            **dict.fromkeys(changes.replaced, "replaced"),
        }
        for position, fate in fates.items():
            route.fates[position] = fate
            route.planned.pop(position, None)
            route.lengths.pop(position, None)
        for position in changes.cancelled:
            heappush(self._ends, (self._now, name, position))


def slotted(before: RouteTable, after: RouteTable) -> frozenset[str]:
    """Return the names of the routes that have slots in one of two tables."""
    routes = (*before.routes, *after.routes)
    return frozenset(route.name for route in routes if route.concurrency is not None)


def differing(before: RunsByRoute, after: RunsByRoute, names: Iterable[str]) -> list[SlotCount]:
    """Return the routes of which events have another fate."""
    found = []
    for name in sorted(names):
        old, new = before.fates[name], after.fates[name]
        # An event that only one table plans is a difference of plans.
        others = sorted(at for at in old.keys() & new.keys() if old[at] != new[at])
        if others:
            fates = Counter(old.values()), Counter(new.values())
            found.append(
                SlotCount(route=name, fates=fates, others=len(others), first=others[0])
            )
    return found
