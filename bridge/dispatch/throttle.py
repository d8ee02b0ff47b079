"""`Throttle`: limits of single routes, in flight and per period. Pure; time is an argument.

A limit of all daemons is divided among them (`bridge.dispatch.permits`); here only this daemon's part counts.
The limit of a key (``rate.key``) needs no division: one daemon calls all dispatches of a key. When the key's
partition comes to a daemon, the key's bucket is filled for the time in which no daemon held the partition.
"""

from collections import defaultdict
from collections.abc import Callable
from math import inf
from typing import NamedTuple, Protocol

from bridge.dispatch.bucket import Bucket
from bridge.dispatch.sharing import Kind
from bridge.routes.limits import InFlightLimit, RateLimit
from bridge.routes.model import Route

_MANY_BUCKETS = 4096
"""Buckets of keys above which full ones are dropped: a new one is as full."""


class Share:
    """This daemon's part of one limit.

    Attributes:
        value: The calls that it may make, in a period or at one time.
        in_use: The calls in flight.
        calls: The calls that it has begun.
        owes_until: Until when it must not pass on as a whole (`Bucket.owes`).
    """

    __slots__ = ("_gain", "calls", "in_use", "owes_until", "value")

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self.in_use = 0
        self.calls = 0
        self.owes_until = -inf
        self._gain: float | None = None

    def gained(self, idle: float) -> None:
        """Note that the part has grown by what others may have used; ``idle`` as in `Bucket.resize`."""
        self._gain = (self._gain or 0.0) + idle

    def take_gain(self) -> float | None:
        """Return ``idle`` of what was gained since the last time; None if nothing was."""
        gain, self._gain = self._gain, None
        return gain


class Shares(Protocol):
    """This daemon's parts of limits over all daemons."""

    def share(self, route: str, kind: Kind, limit: int) -> Share:
        """Return the current part, and note that this daemon has calls to make."""
        ...

    def add(self, user: Callable[[], None]) -> None:
        """Call this when a part has grown."""
        ...


class Whole:
    """For a daemon that shares its limits with no other one."""

    def __init__(self) -> None:
        self._shares: dict[tuple[str, Kind], Share] = {}

    def share(self, route: str, kind: Kind, limit: int) -> Share:
        """Return the whole limit."""
        found = self._shares.get((route, kind))
        if found is None:
            found = self._shares[route, kind] = Share()
            found.gained(inf)
        found.value = limit
        return found

    def add(self, user: Callable[[], None]) -> None:
        """Do nothing: no part ever grows."""


class Group(NamedTuple):
    """Dispatches that a limit holds back together."""

    route: str
    key: str
    """Empty unless the limit is of single keys."""


class Throttle:
    """Decides for each route whether a call may start, and when to ask again.

    Args:
        routes: Returns a route by its name, None when it was removed; limits may change.
        shares: This daemon's parts of limits over all daemons; default: the whole limits.
        is_certain: Returns whether no other daemon can hold this daemon's partitions now.

    One is for all dispatchers of a daemon.
    """

    def __init__(
        self,
        routes: Callable[[str], Route | None],
        shares: Shares | None = None,
        is_certain: Callable[[], bool] = lambda: True,
    ) -> None:
        self._routes = routes
        self._is_certain = is_certain
        self._own = Whole()
        self._shared = shares or self._own
        self._in_flight: dict[str, int] = defaultdict(int)
        self._buckets: dict[Group, tuple[Bucket, float, float]] = {}
        """With the period and ``free_since`` of each."""
        self._many_buckets = _MANY_BUCKETS

    def add(self, user: Callable[[], None]) -> None:
        """Call this when this daemon's part of a limit has grown."""
        self._shared.add(user)

    def limits(self, name: str) -> bool:
        """Return whether a route has limits of its own."""
        route = self._routes(name)
        return route is not None and (route.max_in_flight is not None or route.rate is not None)

    @property
    def keys(self) -> int:
        """Number of keys and routes whose rates are in memory."""
        return len(self._buckets)

    def group(self, name: str, key: str) -> Group:
        """Return with which others a dispatch of this key is held back."""
        route = self._routes(name)
        if route is None or route.rate is None or route.rate.key is None:
            return Group(name, "")
        return Group(name, key)

    def admit(self, group: Group, now: float, free_since: float = -inf) -> float:
        """Count a call and return 0, or return the seconds to wait before asking again.

        ``inf``: ask again when a call of this route has ended, or this daemon's part has grown.

        Args:
            group: The dispatch's group.
            now: The time.
            free_since: Since when no other daemon could call dispatches of its key.
        """
        name = group.route
        route = self._routes(name)
        in_flight = None
        if route is not None:
            if route.max_in_flight is not None:
                in_flight = self._share(name, "calls", route.max_in_flight)
                if self._in_flight[name] >= in_flight.value:
                    return inf
            if route.rate is not None and (
                wait := self._take(group, route.rate, now, free_since)
            ):
                return wait
        self._in_flight[name] += 1
        if in_flight is not None:
            in_flight.in_use = self._in_flight[name]
            in_flight.calls += 1
        return 0.0

    def ended(self, name: str) -> None:
        """Remove an ended call from the count."""
        self._in_flight[name] -= 1
        route = self._routes(name)
        if route is not None and route.max_in_flight is not None:
            share = self._share(name, "calls", route.max_in_flight)
            share.in_use = self._in_flight[name]

    def _share(self, name: str, kind: Kind, limit: RateLimit | InFlightLimit) -> Share:
        shares = self._shared if limit.each is None else self._own
        return shares.share(name, kind, limit.limit)

    def _take(self, group: Group, rate: RateLimit, now: float, free_since: float) -> float:
        if rate.key is not None:
            if not self._is_certain():
                return inf
            bucket = self._bucket(group, rate.per, now, free_since)
            if bucket.value != rate.limit:
                bucket.resize(rate.limit, now, rate.limit * max(0.0, now - free_since))
            return bucket.take(now)
        share = self._share(group.route, "rate", rate)
        bucket = self._bucket(group, rate.per, now, -inf)
        gain = share.take_gain()
        if gain is not None or bucket.value != share.value:
            bucket.resize(share.value, now, gain)
            share.owes_until = now + bucket.owes(now)
        wait = bucket.take(now)
        share.calls += wait == 0.0
        return wait

    def _bucket(self, group: Group, per: float, now: float, free_since: float) -> Bucket:
        bucket, *made_for = self._buckets.get(group, (None, per, free_since))
        if bucket is not None and made_for == [per, free_since]:
            return bucket
        if len(self._buckets) >= self._many_buckets:
            self._buckets = {
                each: kept for each, kept in self._buckets.items() if not kept[0].is_full(now)
            }
            self._many_buckets = max(_MANY_BUCKETS, 2 * len(self._buckets))
        bucket = Bucket(per, now)
        self._buckets[group] = bucket, per, free_since
        return bucket
