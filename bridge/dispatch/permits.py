"""`Permits`: this daemon's parts of the limits that all daemons share, by lease.

What is divided, and how, is in `bridge.dispatch.sharing`. A daemon asks for its part of a limit when it has a call to
make. It keeps the part while no other daemon asks. Otherwise it releases what is more than its fair part, at most one
renewal later: units in use (calls in flight) when they are free, the others at once.

*Why the limit holds*: a unit is used under its lease only, and no longer than it is certain that the lease has not
expired (`_valid_until`, by a clock that runs on while the process is frozen). A new holder of a part of a rate
begins with an empty bucket (`bridge.dispatch.bucket`). What remains: calls that a daemon began before it was frozen or
cut off from the database are still in flight when its units go to others. And a daemon that stops or loses its leases
just after it got units from two others, before its bucket has paid for them, may have caused one call too many.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from math import inf
from time import monotonic

import structlog
from typing_extensions import override

from bridge.dispatch.sharing import (
    MAX_UNITS,
    Kind,
    quota,
    request_lease,
    unit_lease,
    units_of,
    worth,
)
from bridge.dispatch.throttle import Share
from bridge.lifecycle.leadership import RENEW_SECONDS, TTL_SECONDS
from bridge.lifecycle.lease_names import LIMIT_PREFIX
from bridge.lifecycle.services import TaskService, rest
from eventstore.errors import Unavailable
from eventstore.leases import Lease, Leases

log = structlog.get_logger(__name__)

_SHORT_SECONDS = 0.25
"""How often to look while this daemon has less than its part."""
_ASKING_SECONDS = 3.0
"""How long a daemon that makes no more calls is taken for one that has calls to make."""
_TURN_SECONDS = 3.0
_REST_SECONDS = 1.0
"""After a turn, for the others to begin theirs."""


class Limit:
    """One limit, as this daemon holds it.

    Args:
        route: The route.
        kind: Which of its limits.
        limit: The calls of all daemons.
    """

    def __init__(self, route: str, kind: Kind, limit: int) -> None:
        self.route = route
        self.kind: Kind = kind
        self.limit = limit
        self.share = Share()
        self.value = 0
        """The calls that the held units are worth, except those that are leaving."""
        self.units: dict[int, Lease] = {}
        self.leaving: set[int] = set()
        """Held, but for others, once the calls in flight need them no more."""
        self.request: Lease | None = None
        self.asked_at = -inf
        self.turn_began = 0.0
        self.turn_calls = 0
        self.rests_until = 0.0

    @property
    def count(self) -> int:
        """The number of units of the limit."""
        return units_of(self.limit)

    @property
    def leases(self) -> list[Lease]:
        """All leases held for it."""
        return [*self.units.values(), *([self.request] if self.request else [])]

    def is_asked_for(self, now: float) -> bool:
        """Return whether this daemon has calls to make."""
        return self.share.in_use > 0 or now - self.asked_at < _ASKING_SECONDS

    def turn_is_over(self, now: float) -> bool:
        """Return whether the units were held for a turn, in which a call was made if there was one."""
        called = self.share.calls > self.turn_calls or now - self.asked_at >= _ASKING_SECONDS
        return bool(self.units) and called and now - self.turn_began >= _TURN_SECONDS

    def change(self, limit: int) -> None:
        """Change the calls of all daemons."""
        if limit != self.limit:
            self.limit = limit
            self._count()

    def gain(self, unit: int, lease: Lease, now: float) -> None:
        """Add a unit that was acquired."""
        if not self.units:
            self.turn_began, self.turn_calls = now, self.share.calls
        self.units[unit] = lease
        self._count()
        self.share.gained(worth(unit, self.limit) * (now - lease.free_since))

    def let_go(self, target: int, now: float) -> list[Lease]:
        """Use no more units than the target; return those of the others that no call needs.

        While the part of a rate has to pay for units that passed, it does not pass on as a whole.
        """
        if target == 0 and now < self.share.owes_until:
            return []
        kept = [unit for unit in sorted(self.units) if unit < self.count][:target]
        self.leaving = self.units.keys() - set(kept)
        released = []
        for unit in sorted(self.leaving, reverse=True):
            left = self._worth(self.units.keys() - {unit})
            if self.kind == "rate" or self.share.in_use <= left:
                self.leaving.discard(unit)
                released.append(self.units.pop(unit))
        if released and not self.units:
            self.rests_until = now + _REST_SECONDS
        self._count()
        return released

    def _count(self) -> None:
        self.value = self._worth(self.units.keys() - self.leaving)

    def _worth(self, units: AbstractSet[int]) -> int:
        return sum(worth(unit, self.limit) for unit in units if unit < self.count)

    def forget(self, lost: Sequence[Lease]) -> None:
        """Remove leases that are no longer this daemon's."""
        self.units = {unit: each for unit, each in self.units.items() if each not in lost}
        self.leaving &= self.units.keys()
        if self.request in lost:
            self.request = None
        self._count()


class Permits(TaskService):
    """Holds this daemon's parts of limits over all daemons.

    Args:
        leases: The leases in the database.
        owner: This daemon's name, which must be unique.
    """

    def __init__(self, leases: Leases, owner: str) -> None:
        super().__init__("permits")
        self._leases = leases
        self._owner = owner
        self._limits: dict[tuple[str, Kind], Limit] = {}
        self._valid_until = -inf
        self._wake = asyncio.Event()
        self._users: list[Callable[[], None]] = []

    def add(self, user: Callable[[], None]) -> None:
        """Call this when a part has grown."""
        self._users.append(user)

    def share(self, route: str, kind: Kind, limit: int) -> Share:
        """Return the current part, and note that this daemon has calls to make."""
        found = self._limits.get((route, kind))
        if found is None:
            found = self._limits[route, kind] = Limit(route, kind, limit)
        now = monotonic()
        if now - found.asked_at >= _ASKING_SECONDS:
            self._wake.set()
        found.asked_at = now
        found.change(limit)
        found.share.value = found.value if now < self._valid_until else 0
        return found.share

    def held(self, route: str, kind: Kind) -> int:
        """Return the calls of a limit that are this daemon's part now."""
        found = self._limits.get((route, kind))
        return 0 if found is None or monotonic() >= self._valid_until else found.value

    @override
    async def run(self) -> None:
        """Hold what this daemon needs and may have, until stopped; then release it."""
        self.ready()
        stopping = asyncio.create_task(self.stopping.wait())
        stopping.add_done_callback(lambda _: self._wake.set())
        try:
            while not self.stopping.is_set():
                self._wake.clear()
                is_short = False
                try:
                    is_short = await self._tick()
                    self.problem = None
                except Unavailable as error:
                    self.problem = str(error)
                    log.warning("permits.store_unavailable", error=str(error))
                await rest(self._wake, _SHORT_SECONDS if is_short else RENEW_SECONDS)
        finally:
            stopping.cancel()
            await self._release_all()

    async def _tick(self) -> bool:
        """Renew, release, acquire; return whether some part is less than it should be."""
        await self._renew()
        now = monotonic()
        surplus = self._drop_idle(now)
        wanted: dict[str, tuple[Limit, int | None]] = {}
        is_short = False
        asked = list(self._limits.values())
        if asked:
            seen = await self._leases.held(LIMIT_PREFIX)
            for each in asked:
                target = self._target(each, seen, now)
                surplus += each.let_go(target, now)
                wanted |= _missing(each, target, seen)
                is_short |= len(each.units) != target or each.request is None
        if surplus:
            await self._leases.release_all(self._owner, surplus)
        if wanted:
            taken = await self._leases.acquire_all(list(wanted), self._owner, TTL_SECONDS)
            self._gained([(*wanted[lease.name], lease) for lease in taken])
        return is_short

    def _drop_idle(self, now: float) -> list[Lease]:
        """Drop the limits for which this daemon has no calls to make; return their leases."""
        idle = [
            key
            for key, each in self._limits.items()
            if not each.is_asked_for(now) and now >= each.share.owes_until
        ]
        return [lease for key in idle for lease in self._limits.pop(key).leases]

    async def _renew(self) -> None:
        asked_at = monotonic()
        mine = [lease for each in self._limits.values() for lease in each.leases]
        if not mine:
            self._valid_until = asked_at + TTL_SECONDS
            return
        lost = await self._leases.renew_all(self._owner, mine, TTL_SECONDS)
        if lost:
            log.warning("permits.lost", leases=sorted(each.name for each in lost))
            for each in self._limits.values():
                each.forget(lost)
        self._valid_until = asked_at + TTL_SECONDS

    def _target(self, each: Limit, seen: Mapping[str, str], now: float) -> int:
        """Return how many units of a limit this daemon is to hold."""
        if now < each.rests_until:
            return 0
        prefix = request_lease(each.route, each.kind, "")
        asking = {owner for name, owner in seen.items() if name.startswith(prefix)}
        return quota(
            each.count,
            self._owner,
            sorted(asking | {self._owner}),
            turn_is_over=each.turn_is_over(now),
        )

    def _gained(self, gained: Sequence[tuple[Limit, int | None, Lease]]) -> None:
        now = monotonic()
        has_grown = False
        for each, unit, lease in gained:
            if unit is None:
                each.request = lease
                continue
            each.gain(unit, lease, now)
            has_grown = True
        if has_grown:
            for user in self._users:
                user()

    async def _release_all(self) -> None:
        mine = [lease for each in self._limits.values() for lease in each.leases]
        self._limits.clear()
        if not mine:
            return
        try:
            await self._leases.release_all(self._owner, mine)
        except Unavailable as error:
            log.warning("permits.not_released", error=str(error))


def _missing(
    each: Limit, target: int, seen: Mapping[str, str]
) -> dict[str, tuple[Limit, int | None]]:
    """Return the leases to acquire, by name: the limit, and the unit or None for a request."""
    found: dict[str, tuple[Limit, int | None]] = {}
    if each.request is None:
        names = (
            request_lease(each.route, each.kind, str(number)) for number in range(MAX_UNITS)
        )
        found |= dict.fromkeys([name for name in names if name not in seen][:1], (each, None))
    units = {unit_lease(each.route, each.kind, unit): unit for unit in range(each.count)}
    free = [name for name in units if name not in seen]
    for name in free[: max(0, target - len(each.units))]:
        found[name] = each, units[name]
    return found
