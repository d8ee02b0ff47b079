"""`Backtest`: plans stored events by two tables of routes, and counts how the plans differ."""

from collections.abc import Collection, Iterator, Sequence

import msgspec

from bridge.cloudevents.lineage import hops_of
from bridge.evaluation import Evaluator
from bridge.history.backtest import slots
from bridge.history.backtest.difference import KINDS, Difference, Kind, differences
from bridge.history.backtest.windows import CallCount, CallsByRoute, differing, windowed
from bridge.history.replay.selection import Selection
from bridge.routes.model import Route
from bridge.routes.table import PlannedDispatch, RouteTable
from eventstore.events import StoredEvent
from eventstore.store import EventStore


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """An event whose plans by one route differ."""

    stored: StoredEvent
    difference: Difference


class Group(msgspec.Struct, kw_only=True):
    """The differences of one kind by one route."""

    route: str
    kind: Kind
    count: int = 0
    samples: list[Sample] = msgspec.field(default_factory=list)
    """The first ones, in the order of the history."""


class Backtest:
    """Compares two tables of routes over stored events. Use one object for each comparison.

    Args:
        before: The routes in force.
        after: The other routes.
        evaluator: Evaluates both.
        max_hops: The limit that intake applies; an event beyond it is planned by neither.
        names: Compare only these routes; none: all.
        samples: How many events of each route and kind are kept.
    """

    def __init__(
        self,
        before: RouteTable,
        after: RouteTable,
        evaluator: Evaluator,
        *,
        max_hops: int,
        names: Collection[str] = (),
        samples: int = 1,
    ) -> None:
        self._evaluator = evaluator
        self._max_hops = max_hops
        self._max_samples = samples
        self.compared = _compared(before, after, names)
        """The names of the routes that are evaluated: those that differ."""
        self._before = _only(before, self.compared)
        self._after = _only(after, self.compared)
        self._groups: dict[tuple[str, Kind], Group] = {}
        self._windowed = windowed(self._before, self._after)
        self._slotted = slots.slotted(self._before, self._after)
        self._runs = slots.RunsByRoute(self._slotted), slots.RunsByRoute(self._slotted)
        self._calls = CallsByRoute(self._windowed), CallsByRoute(self._windowed)
        self.events = 0
        """How many events were compared."""
        self.different = 0
        """How many of them are planned in different ways."""

    @property
    def groups(self) -> Sequence[Group]:
        """The differences so far: by route, in the order in which they occurred, and by kind."""
        routes = {route: None for route, _ in self._groups}
        return [
            self._groups[route, kind]
            for route in routes
            for kind in KINDS
            if (route, kind) in self._groups
        ]

    async def run(self, store: EventStore, selection: Selection, through: int) -> None:
        """Compare the selected events up to a position."""
        async for chunk in selection.chunks(store, through=through):
            await self.compare(chunk)

    async def compare(self, events: Sequence[StoredEvent]) -> None:
        """Compare the plans of some events, and count the differences."""
        self.events += len(events)
        for stored in events:
            before = await self._planned(self._before, stored)
            after = await self._planned(self._after, stored)
            if (
                self._slotted
            ):  # also of events that no route plans: they may be the ends of runs
                for runs, plans in zip(self._runs, (before, after), strict=True):
                    runs.add(stored, plans)
            if not before and not after:
                continue
            if self._windowed:
                for calls, plans in zip(self._calls, (before, after), strict=True):
                    calls.add(stored, plans)
            found = list(differences(stored.event, before, after))
            self.different += bool(found)
            for difference in found:
                self._count(stored, difference)

    def finish(self) -> list[CallCount]:
        """Return the routes with windows that would make other calls; call it after the last event."""
        for calls in self._calls:
            calls.finish()
        return differing(*self._calls, self._windowed)

    def slot_counts(self) -> list[slots.SlotCount]:
        """Return the routes with slots that would start other events; call it after the last event."""
        return slots.differing(*self._runs, self._slotted)

    async def _planned(
        self, routes: RouteTable, stored: StoredEvent
    ) -> Sequence[PlannedDispatch]:
        event = stored.event
        topic = stored.topic or ""
        # Before the schema: most events are no route's business, and the check costs most.
        if not routes.candidates(topic, event.type) or hops_of(event) > self._max_hops:
            return ()
        if await self._evaluator.check(routes, event) is not None:
            return ()
        return await self._evaluator.plan(routes, topic, event)

    def _count(self, stored: StoredEvent, difference: Difference) -> None:
        for kind in difference.kinds:
            key = difference.route, kind
            group = self._groups.setdefault(key, Group(route=key[0], kind=kind))
            group.count += 1
            if len(group.samples) < self._max_samples:
                group.samples.append(Sample(stored=stored, difference=difference))


def _compared(before: RouteTable, after: RouteTable, names: Collection[str]) -> frozenset[str]:
    """Return the names of the routes whose plans may differ."""
    every = before.by_name.keys() | after.by_name.keys()
    if _is_alike(before, after):
        every = {name for name in every if _digest(before, name) != _digest(after, name)}
    return frozenset(every & set(names) if names else every)


def _is_alike(before: RouteTable, after: RouteTable) -> bool:
    """Return whether equal routes of both tables plan equally: see the package's docstring."""
    return (
        before.schemas.contents == after.schemas.contents
        and before.sources.definition == after.sources.definition
    )


def _digest(table: RouteTable, name: str) -> bytes | None:
    route = table.by_name.get(name)
    return None if route is None else route.digest


def _only(table: RouteTable, names: Collection[str]) -> RouteTable:
    def chosen() -> Iterator[Route]:
        return (route for route in table.routes if route.name in names)

    return RouteTable(chosen(), table.schemas, table.sources)
