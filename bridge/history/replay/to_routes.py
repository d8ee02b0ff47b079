"""The routes target: plan stored events by today's routes where they were not dispatched before.

A route has seen an event if a dispatch of that route's name exists for it, in any generation. Events
that a route has not seen are planned as intake would plan them. With ``again``, seen events are
planned too, as their next generation.

**Forgotten.** Retention may have deleted the dispatch of an event. Where that is possible, nothing
is planned without the option ``forgotten``: a repeated effect is worse than one that an operator
has to request again. It is possible if the event is older than the retention time, if intake
recorded a match and no dispatch exists, and if a received event has no delivery (in an imported
history, for example). With ``again`` such an event gets generation 2, because 1 may have been used.

Each batch is one commit of plan and progress.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from bridge import dead_letters
from bridge.cloudevents.lineage import hops_of
from bridge.errors import BridgeError
from bridge.evaluation import Evaluator
from bridge.history.replay.store import Replay, ToRoutes, save
from bridge.intake.refusals import unplannable
from bridge.intake.rows import insert_dispatches
from bridge.operations import OPERATIONS
from bridge.operations.fetching import fetches, fetching
from bridge.routes.table import (
    FIRST_GENERATION,
    PlannedDispatch,
    RouteTable,
    request_id,
)
from bridge.runtime.strict import DEFAULT_NAMESPACE
from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database, Row
from eventstore.events import Origin, StoredEvent
from eventstore.leases import Lease

MAX_OPEN = 200
"""Nothing is planned while this many dispatches are open, so that live events do not wait for more."""

_BATCH = 100
_POLL_SECONDS = 0.1
_OPEN = frozenset({"open", "waiting", "queued", "gathering"})


class UnknownRoute(BridgeError):  # noqa: N818 - says what is the case
    """A named route does not exist in today's routes."""


class Known(msgspec.Struct, frozen=True):
    """The recorded dispatches and deliveries of some events."""

    generations: Mapping[tuple[UUID, str], Row]
    matched: Mapping[UUID, bool]
    """The events with a delivery, and whether it matched a route."""
    dispatched: frozenset[UUID]
    """The events with a dispatch."""
    at: datetime
    """The database's time of the lookup."""


class Planner:
    """Decides what is planned for stored events, by today's routes.

    Args:
        routes: Today's routes.
        target: Which routes, and the options.
        evaluator: Evaluates them.
        max_hops: The limit that intake applies.
        retention: For how many seconds dispatches are kept; None means for ever.

    Raises:
        UnknownRoute: A named route does not exist.
    """

    def __init__(
        self,
        routes: RouteTable,
        target: ToRoutes,
        evaluator: Evaluator,
        *,
        max_hops: int,
        retention: float | None,
    ) -> None:
        unknown = sorted(set(target.names) - routes.by_name.keys())
        if unknown:
            raise UnknownRoute(
                f"unknown routes: {', '.join(unknown)}; the routes are: "
                f"{', '.join(routes.by_name) or 'none'}"
            )
        self._routes = routes
        self._evaluator = evaluator
        self._names = frozenset(target.names or routes.by_name)
        self._target = target
        self._max_hops = max_hops
        self._retention = retention

    @property
    def namespaces(self) -> Sequence[str]:
        """The namespaces for which dispatches may be planned, as plans call them."""
        routes = (self._routes.by_name[name] for name in self._names)
        return sorted({route.namespace or DEFAULT_NAMESPACE for route in routes})

    async def known(
        self, database: Database | Connection, events: Sequence[StoredEvent]
    ) -> Known:
        """Look up the dispatches and deliveries of events."""
        uids = [stored.uid for stored in events]
        generations = await database.fetch(STATEMENTS["generations_of"], uids)
        answers = await database.fetch(STATEMENTS["answers_of"], uids)
        return Known(
            {(row["uid"], row["route"]): row for row in generations},
            {row["uid"]: row["matched"] for row in answers},
            frozenset(row["uid"] for row in generations),
            await database.fetchval(STATEMENTS["now"]),
        )

    async def plan(
        self, stored: StoredEvent, known: Known, tally: Counter[str]
    ) -> list[PlannedDispatch]:
        """Return the dispatches to plan for an event, and count the result in ``tally``."""
        tally["events"] += 1
        if stored.removal is not None:
            tally["removed"] += 1
            return []
        event = stored.event
        if hops_of(event) > self._max_hops:
            tally["loop"] += 1
            return []
        if await self._evaluator.check(self._routes, event) is not None:
            tally["schema"] += 1
            return []
        plans = [
            plan
            for plan in await self._evaluator.plan(self._routes, stored.topic or "", event)
            if plan.route in self._names
        ]
        if not plans:
            tally["unmatched"] += 1
        forgotten = bool(plans) and self._may_be_forgotten(stored, known)
        chosen = []
        for plan in plans:
            latest = known.generations.get((stored.uid, plan.route))
            generation = self._generation(latest, forgotten=forgotten)
            if isinstance(generation, str):
                tally[generation] += 1
                continue
            tally[f"planned {plan.route}"] += 1
            tally["dead"] += plan.state == "dead"
            chosen.append(_of_generation(stored.uid, plan, generation))
        return chosen

    def _generation(self, latest: Row | None, *, forgotten: bool) -> int | str:
        """Return the generation to plan, or the word for why none is planned."""
        again = self._target.again
        if latest is None:
            if not forgotten:
                return FIRST_GENERATION
            if again:
                return FIRST_GENERATION + 1
            return FIRST_GENERATION if self._target.forgotten else "forgotten"
        if not again:
            return "seen"
        return "open" if latest["state"] in _OPEN else int(latest["generation"]) + 1

    def _may_be_forgotten(self, stored: StoredEvent, known: Known) -> bool:
        if self._retention is not None:
            kept_since = known.at - timedelta(seconds=self._retention)
            if stored.recorded_at < kept_since:
                return True
        if stored.uid in known.dispatched:
            return False
        matched = known.matched.get(stored.uid)
        return matched is True or (matched is None and stored.origin is Origin.RECEIVED)


class RoutesTarget:
    """Plans dispatches, which the daemons then execute. Use one object for each run of a replay.

    Args:
        database: The database of the dispatches.
        planner: Decides what is planned.
        waiting: Called with the number of open dispatches while it waits for fewer, then with 0.
        max_open: With so many open dispatches it waits.
        batch: How many events one transaction plans.
    """

    def __init__(
        self,
        database: Database,
        planner: Planner,
        *,
        waiting: Callable[[int], None],
        max_open: int = MAX_OPEN,
        batch: int = _BATCH,
    ) -> None:
        self._max_open = max_open
        self._batch = batch
        self._database = database
        self._planner = planner
        self._waiting = waiting
        self._position = 0
        self._done = 0
        self._lease: Lease | None = None
        self.tally: Counter[str] = Counter()
        """The counts so far, over all runs."""

    async def resume(self, replay: Replay, lease: Lease) -> int:
        """Continue after the last commit."""
        self._lease = lease
        self.tally = Counter(replay.tally)
        self._position, self._done = replay.position, replay.done
        return replay.position

    async def take(self, replay: Replay, events: Sequence[StoredEvent]) -> None:
        """Plan the dispatches of events."""
        for start in range(0, len(events), self._batch):
            await self._room()
            await self._plan(replay, events[start : start + self._batch])

    async def settle(self) -> tuple[int, int | None]:
        """Return the last position: all taken events are committed."""
        return self._position, None

    async def finish(self) -> None:
        """Do nothing: all plans are committed."""

    async def _plan(self, replay: Replay, events: Sequence[StoredEvent]) -> None:
        if self._lease is None:
            raise ValueError("resume it first: a replay to routes runs under a lease")
        tally = Counter(self.tally)
        async with self._database.transaction() as connection:
            known = await self._planner.known(connection, events)
            planned = [
                (stored, plan)
                for stored in events
                for plan in await self._planner.plan(stored, known, tally)
            ]
            await insert_dispatches(
                connection,
                [(stored.position, stored.uid, plan) for stored, plan in planned],
                replay.id,
            )
            await dead_letters.insert(
                connection,
                [
                    unplannable(stored.event, stored.topic, plan)
                    for stored, plan in planned
                    if plan.state == "dead"
                ],
            )
            position, done = events[-1].position, self._done + len(events)
            await save(connection, replay, position, done, self._lease, tally=tally)
        self.tally, self._position, self._done = tally, position, done

    async def _room(self) -> None:
        waited = False
        while (count := await self._count_open()) >= self._max_open:
            waited = True
            self._waiting(count)
            await asyncio.sleep(_POLL_SECONDS)
        if waited:
            self._waiting(0)

    async def _count_open(self) -> int:
        # Only of the namespaces that it plans for: another one may be away.
        namespaces = self._planner.namespaces
        return int(
            await self._database.fetchval(
                STATEMENTS["count_open_up_to"], self._max_open, namespaces
            )
        )


def _of_generation(uid: UUID, plan: PlannedDispatch, generation: int) -> PlannedDispatch:
    """Return a plan as a given generation, with its own request id."""
    if generation == FIRST_GENERATION:
        return plan
    return replace(
        plan,
        generation=generation,
        request_id=request_id(uid, plan.route, generation),
        call=_again(plan) if plan.state == "open" else plan.call,
    )


def _again(plan: PlannedDispatch) -> bytes:
    call = OPERATIONS[plan.operation].again(plan.call)
    return fetching(call) if fetches(plan.call) and not fetches(call) else call
