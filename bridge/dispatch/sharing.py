"""How daemons divide a limit among them. Pure.

A limit of N calls consists of units: leases, each worth a whole number of calls. A daemon that has calls to make holds
a lease of another kind, a *request*, so that the others can see how many want a part::

    limit/shop/rate/0 … 4               the units of "5 calls a second"; two daemons: 3 and 2
    limit/shop/rate/requests/0 … 1      the daemons that have calls to make

Few daemons, many units: each holds its fair part, for as long as it has calls. More daemons than units: each holds
one unit for a turn.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from bridge.lifecycle.lease_names import LIMIT_PREFIX
from bridge.routes.model import Route

MAX_UNITS = 32
"""The most leases into which a limit is divided, and the most daemons that divide it."""

Kind = Literal["rate", "calls"]
"""Of a limit: in a period, or at one time."""


def shared_limits(route: Route) -> Iterator[tuple[Kind, int]]:
    """Yield the limits of a route that all daemons share, with their calls."""
    if route.rate is not None and route.rate.each is None and route.rate.key is None:
        yield "rate", route.rate.limit
    if route.max_in_flight is not None and route.max_in_flight.each is None:
        yield "calls", route.max_in_flight.limit


def units_of(limit: int) -> int:
    """Return the number of units of a limit."""
    return min(limit, MAX_UNITS)


def worth(unit: int, limit: int) -> int:
    """Return the calls that a unit is worth; over all units the sum is the limit."""
    units = units_of(limit)
    return (unit + 1) * limit // units - unit * limit // units


def unit_lease(route: str, kind: Kind, unit: int) -> str:
    """Return the lease of a unit."""
    return f"{LIMIT_PREFIX}{route}/{kind}/{unit}"


def request_lease(route: str, kind: Kind, number: str) -> str:
    """Return a lease that says that its owner has calls to make."""
    return f"{LIMIT_PREFIX}{route}/{kind}/requests/{number}"


def quota(units: int, me: str, asking: Sequence[str], *, turn_is_over: bool) -> int:
    """Return how many units a daemon that has calls to make is to hold.

    Args:
        units: The number of units.
        me: This daemon's owner.
        asking: The owners that have calls to make, with this daemon, each once, in any order.
        turn_is_over: Whether it has held its units for long enough that others may have them.
    """
    if len(asking) > units:
        return 0 if turn_is_over else 1
    part, left = divmod(units, len(asking))
    return part + (sorted(asking).index(me) < left)
