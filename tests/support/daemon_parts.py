"""A part of the daemon in the test's own process: a real database, a Temporal that follows a script.

For what cannot be brought about from outside: an answer that is held back, a failure at a chosen
moment, two dispatchers between two statements.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bridge.cloudevents.codec import encode
from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.ledger import Ledger
from bridge.dispatch.ownership import Ownership
from bridge.dispatch.throttle import Throttle
from bridge.intake.consumer import Delivery
from bridge.intake.decision import judge
from bridge.intake.recorder import Recorder
from bridge.operations.base import Backlog
from bridge.operations.calls import CallError, Run, StartCall
from bridge.pauses import HELD_BY_NOTHING, HeldNow
from bridge.routes.model import Route
from bridge.routes.table import RouteTable
from bridge.settings.schema import DispatchSettings
from eventstore.database import Database, Row
from eventstore.events import Event
from eventstore.store import EventStore

TYPE = "io.quantum-suite.shop.asked.v1"
TOPIC = "events.shop.asked"
CREATED = datetime(2024, 5, 1, tzinfo=UTC)

UNAVAILABLE = ("UNAVAILABLE", "the script says so")
REFUSED = ("INVALID_ARGUMENT", "the script says so")


def route(name: str = "shop", **says: Any) -> Route:
    """A route that starts a workflow for every event of the tests, in lanes by `data.key`."""
    return Route.model_validate(
        {
            "name": name,
            "from": TOPIC,
            "key": "string(data.key)",
            "start": {"workflow": "W", "task_queue": "q"},
            **says,
        }
    )


@dataclass(frozen=True)
class Called:
    """One call that arrived at the scripted Temporal."""

    key: str
    number: int
    route: str
    request_id: UUID
    at: float


@dataclass
class ScriptedTemporal:
    """Answers starts as the script says; keeps what arrived, and what took effect."""

    failing: dict[str, deque[tuple[str, str]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    """By key: the errors with which the next calls are answered."""
    limited: int = 0
    """How many of the next calls are told to come more slowly."""
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    """By key: answered only when this is set."""
    seconds: Callable[[Called], float] = lambda _call: 0.0
    """How long an answer takes."""
    arrived: list[Called] = field(default_factory=list)
    effects: list[Called] = field(default_factory=list)
    """In the order in which they happened; one for each request id."""
    at_once: int = 0
    most_at_once: int = 0
    """How many calls were under way at one time."""

    async def start(self, call: StartCall) -> Run:
        """Take a start."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(call)
        finally:
            self.at_once -= 1

    async def _answer(self, call: StartCall) -> Run:
        data = json.loads(call.argument.data or b"{}")
        now = asyncio.get_running_loop().time()
        called = Called(
            str(data["key"]),
            data["number"],
            str(call.search_attributes["BridgeRoute"]),
            call.request_id,
            now,
        )
        self.arrived.append(called)
        if seconds := self.seconds(called):
            await asyncio.sleep(seconds)
        if called.key in self.held:
            await self.held[called.key].wait()
        if self.limited:
            self.limited -= 1
            raise CallError("RESOURCE_EXHAUSTED", "slowly", limit="RPS_LIMIT")
        if self.failing[called.key]:
            raise CallError(*self.failing[called.key].popleft())
        if all(each.request_id != call.request_id for each in self.effects):
            self.effects.append(called)
        return Run(run_id=f"run-{call.request_id}", start_request_id=str(call.request_id))

    def numbers(self, key: str) -> list[int]:
        """What took effect for a key, in order."""
        return [each.number for each in self.effects if each.key == key]


@dataclass
class Parts:
    """One database, one Temporal, and as many dispatchers as a test wants."""

    database: Database
    temporal: Any
    routes: RouteTable = field(default_factory=lambda: RouteTable([route()]))
    planned: int = 0

    async def plan(self, *events: tuple[str, int]) -> None:
        """Record events as intake does: each is a key and a number."""
        batch = []
        for key, number in events:
            self.planned += 1
            batch.append(judge(self.routes, delivery(key, number, self.planned), 16))
        store = EventStore(self.database)
        async with self.database.transaction() as connection:
            await Recorder(self.database, store).record_on(connection, batch)
        await store.aclose()

    async def rows(self) -> list[Row]:
        """All dispatches, in order."""
        return await self.database.fetch("select * from dispatches order by position, id")

    async def states(self) -> dict[str, int]:
        """How many dispatches there are in each state."""
        rows = await self.database.fetch("select state, count(*) from dispatches group by 1")
        return {row["state"]: row["count"] for row in rows}

    async def backlog(self) -> Backlog:
        """The open dispatches for which intake waits."""
        return await Ledger(self.database, EventStore(self.database), "tests").backlog()

    def dispatcher(
        self,
        owner: str = "daemon",
        *,
        database: Database | None = None,
        ledger: Callable[[Database, EventStore, str], Ledger] = Ledger,
        paused: HeldNow = HELD_BY_NOTHING,
        **settings: int,
    ) -> Dispatcher:
        """A dispatcher, not running; `database` is how it reaches the database."""
        database = database or self.database
        return Dispatcher(
            ledger(database, EventStore(database), owner),
            Ownership(database, owner),
            self.temporal,
            DispatchSettings(**settings),
            Throttle(self.routes.by_name.get),
            paused=paused,
        )


@asynccontextmanager
async def running(*dispatchers: Dispatcher) -> AsyncIterator[None]:
    """Run dispatchers; stop them at the end as the supervisor does."""
    services: Sequence[Any] = [
        service for each in dispatchers for service in (each.ownership, each)
    ]
    begun = []
    try:
        for service in services:
            begun.append(service)
            await service.start()
        yield
    finally:
        for service in reversed(begun):
            await service.stop()


def event(key: str, number: int) -> Event:
    """An event of the tests."""
    return Event(
        id=f"{key}-{number}",
        source="/shop",
        type=TYPE,
        data=json.dumps({"key": key, "number": number}).encode(),
    )


def delivery(key: str, number: int, sequence: int) -> Delivery:
    """The same, as it is delivered."""
    headers, payload = encode(event(key, number))
    return Delivery("EVENTS", CREATED, sequence, TOPIC, headers, payload, reply="")
