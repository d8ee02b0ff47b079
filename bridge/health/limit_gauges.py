"""Gauges of routes' limits: this daemon's parts, and what the limits hold back."""

from collections import Counter

from bridge.dispatch.sharing import shared_limits
from bridge.health.probes import Parts
from bridge.routes.table import RouteTable
from bridge.runtime.metrics import Reading


def limits_held(routes: RouteTable, parts: Parts | None) -> Reading:
    """Return this daemon's part of each limit over all daemons; zeros too, from the start."""
    return [
        (
            0.0 if parts is None else float(parts.permits.held(route.name, kind)),
            {"route": route.name, "limit": kind},
        )
        for route in routes.routes
        for kind, _limit in shared_limits(route)
    ]


def held_back(routes: RouteTable, parts: Parts | None) -> Reading:
    """Return how many dispatches each route's limits hold back here; zeros too, from the start."""
    limited = [
        each.name
        for each in routes.routes
        if each.rate is not None or each.max_in_flight is not None
    ]
    counts = Counter(dict.fromkeys(limited, 0))
    for each in () if parts is None else parts.dispatchers:
        counts.update(each.held_back)
    return [(float(count), {"route": name}) for name, count in counts.items()]
