"""To routes: what today's routes make of stored events, planned where it was not planned before.

A route that has dispatched an event, by its name and in whatever generation, has seen it. What
it has not seen is planned as intake would have planned it. ``again`` plans what was seen too, as
the next generation of its own.

**Forgotten.** Retention may have removed the row that says that an event was dispatched. Where
that can be so, nothing is planned unless asked for (``forgotten``): an effect that happens twice
is worse than one that an operator has to ask for again. It can be so when the event is older than
what retention keeps, when intake says that it matched and no dispatch is left, and when nothing
is known of how a received event came in (an imported history, say). With ``again`` such an event
gets generation 2, since 1 may have been used.

Each batch is one commit: its plan, and how far the replay has come.
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
from bridge.intake.letters import unplannable
from bridge.intake.rows import insert_dispatches
from bridge.operations import OPERATIONS
from bridge.routes.table import (
    FIRST_GENERATION,
    PlannedDispatch,
    RouteTable,
    request_id,
)
from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database, Row
from eventstore.events import Origin, StoredEvent
from eventstore.leases import Lease

MOST_OPEN = 200
"""Nothing more is planned while so many dispatches are open: live events wait for no more."""

_BATCH = 100
_POLL_SECONDS = 0.1
_OPEN = frozenset({"open", "waiting"})


class UnknownRoute(BridgeError):  # noqa: N818 - says what is the case
    """A route was named that today's routes do not have."""


class Known(msgspec.Struct, frozen=True):
    """What is known of some events' dispatches."""

    generations: Mapping[tuple[UUID, str], Row]
    matched: Mapping[UUID, bool]
    """Those whose delivery is kept, and whether it matched."""
    dispatched: frozenset[UUID]
    """Those of which a dispatch is kept."""
    at: datetime
    """The database's time of all this."""


class Planner:
    """Decides what is planned for stored events, by today's routes.

    Args:
        routes: Today's routes.
        target: Which of them, and how.
        evaluator: Evaluates them.
        max_hops: As intake has it.
        retention: For how many seconds dispatches are kept; None means for ever.

    Raises:
        UnknownRoute: One was named that there is not.
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
                f"today's routes have none named {', '.join(unknown)}; there are: "
                f"{', '.join(routes.by_name) or 'none'}"
            )
        self._routes = routes
        self._evaluator = evaluator
        self._names = frozenset(target.names or routes.by_name)
        self._target = target
        self._max_hops = max_hops
        self._retention = retention

    async def known(
        self, database: Database | Connection, events: Sequence[StoredEvent]
    ) -> Known:
        """Look up what is known of events."""
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
        """Return what is to be planned for an event, and count what it came to."""
        tally["events"] += 1
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
        """Return the generation to plan, or the word for why none is."""
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
    """Plans dispatches for the daemons to carry out. For one run of a replay.

    Args:
        database: Where the plan is.
        planner: Decides.
        waiting: Told of how many dispatches are open while it waits for fewer, then of 0.
    """

    def __init__(
        self,
        database: Database,
        planner: Planner,
        *,
        waiting: Callable[[int], None],
    ) -> None:
        self._database = database
        self._planner = planner
        self._waiting = waiting
        self._position = 0
        self._done = 0
        self._lease: Lease | None = None
        self.tally: Counter[str] = Counter()
        """What the events came to so far, over all runs."""

    async def resume(self, replay: Replay, lease: Lease) -> int:
        """Go on where the last commit ended."""
        self._lease = lease
        self.tally = Counter(replay.tally)
        self._position, self._done = replay.position, replay.done
        return replay.position

    async def take(self, replay: Replay, events: Sequence[StoredEvent]) -> None:
        """Plan what is to be planned for events."""
        for start in range(0, len(events), _BATCH):
            await self._room()
            await self._plan(replay, events[start : start + _BATCH])

    async def settle(self) -> tuple[int, int | None]:
        """Everything taken is committed."""
        return self._position, None

    async def finish(self) -> None:
        """Nothing is left to be done."""

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
        while (count := await self._count_open()) >= MOST_OPEN:
            waited = True
            self._waiting(count)
            await asyncio.sleep(_POLL_SECONDS)
        if waited:
            self._waiting(0)

    async def _count_open(self) -> int:
        return int(await self._database.fetchval(STATEMENTS["count_open_up_to"], MOST_OPEN))


def _of_generation(uid: UUID, plan: PlannedDispatch, generation: int) -> PlannedDispatch:
    """Return a plan as one of a later generation, with a request id and effects of its own."""
    if generation == FIRST_GENERATION:
        return plan
    return replace(
        plan,
        generation=generation,
        request_id=request_id(uid, plan.route, generation),
        call=OPERATIONS[plan.operation].again(plan.call) if plan.state == "open" else plan.call,
    )
