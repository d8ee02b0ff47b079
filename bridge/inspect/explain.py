"""Explain: collect what happened to an event, and trace the chain that it belongs to."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from bridge.dead_letters.store import DeadLetters, Letter
from bridge.evaluation import Evaluator
from bridge.inspect.explanation import (
    Delivered,
    Dispatched,
    Explanation,
    Happened,
    RouteNote,
    RunNow,
    Trace,
    compare,
    descendants,
    happened,
    tree_of,
)
from bridge.inspect.waiting import holds
from bridge.operations.calls import CallError, Run
from bridge.pauses import Pauses
from bridge.routes.limits import limits_shown
from bridge.routes.table import RouteTable
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.events import Origin, StoredEvent
from eventstore.filters import Filter
from eventstore.removals import Removals
from eventstore.store import EventStore

_MAX_EVENTS = 1000
_MAX_RUNS = 100
_CONCURRENT_RUNS = 8
_ASK_SECONDS = 3.0


class RunLookup(Protocol):
    """Looks up runs; implemented by the gateway to Temporal."""

    async def describe(self, workflow_id: str, run_id: str = "") -> Run:
        """Return a run, by default the latest of its workflow id.

        Raises:
            CallError: The run is unknown, or Temporal cannot be reached.
        """
        ...


class Explainer:
    """Explains what happened to events.

    Args:
        database: Deliveries, dispatches and dead letters.
        store: The event store in it.
        routes: Today's routes, or why they cannot be compared.
        runs: Looks up the current state of runs, for each namespace as plans call it.
        namespaces: The namespaces' names on their servers.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        routes: RouteTable | str,
        runs: Mapping[str, RunLookup],
        namespaces: Mapping[str, str],
    ) -> None:
        self._database = database
        self._store = store
        self._routes = routes
        self._runs = runs
        self._namespaces = namespaces
        self._letters = DeadLetters(database)
        self._pauses = Pauses(database)

    async def mentions(self, wanted: str) -> list[Letter]:
        """Return the dead letters whose message contains an id, decodable or not."""
        return await self._letters.about([], wanted)

    async def explain(self, stored: StoredEvent) -> Explanation:
        """Return what happened to a stored event.

        Raises:
            Unavailable: The database cannot be reached. If Temporal cannot, the runs are "unknown".
        """
        now = await self._now()
        remarks = await self._removed(stored)
        tree = await self._tree(stored, remarks, now)
        deliveries = await self._deliveries(stored.uid)
        return Explanation(
            event=tree,
            deliveries=deliveries,
            caused_by=await self._cause(stored),
            routes=await self._compared(stored, deliveries, tree.dispatches, remarks),
            remarks=remarks,
            at=now,
        )

    async def trace(self, stored: StoredEvent) -> Trace:
        """Return the chain that an event belongs to, from its first event.

        Raises:
            Unavailable: The database cannot be reached. If Temporal cannot, the runs are "unknown".
        """
        now = await self._now()
        remarks: list[str] = []
        first = await self._first(stored, remarks)
        tree = await self._tree(first, remarks, now)
        return Trace(asked=stored.uid, event=tree, remarks=remarks, at=now)

    async def _now(self) -> datetime:
        now: datetime = await self._database.fetchval(STATEMENTS["now"])
        return now

    async def _first(self, stored: StoredEvent, remarks: list[str]) -> StoredEvent:
        for _ in range(_MAX_EVENTS):
            if stored.causation_uid is None:
                return stored
            cause = await self._store.get(stored.causation_uid)
            if cause is None:
                remarks.append(f"the cause of {stored.event.id} is not in the store")
                return stored
            stored = cause
        remarks.append(f"only {_MAX_EVENTS} causes are followed")
        return stored

    async def _tree(self, stored: StoredEvent, remarks: list[str], now: datetime) -> Happened:
        led_to = await self._led_to(stored, remarks)
        uids = [stored.uid, *(each.uid for each in led_to)]
        dispatches = await self._dispatches(uids, now)
        letters = await self._letters_of(stored, uids)
        tree = tree_of(stored, led_to, dispatches, letters, self._namespaces)
        await self._ask_temporal(dispatches, remarks)
        return tree

    async def _led_to(self, stored: StoredEvent, remarks: list[str]) -> list[StoredEvent]:
        where = Filter(correlation_uid=stored.correlation_uid)
        events = [
            each
            async for each in self._store.read_all(
                after=stored.position, where=where, limit=_MAX_EVENTS
            )
        ]
        if len(events) == _MAX_EVENTS:
            remarks.append(f"only the first {_MAX_EVENTS} later events of the chain are read")
        return descendants(stored.uid, events)

    async def _dispatches(self, uids: Sequence[UUID], now: datetime) -> list[Dispatched]:
        rows = await self._database.fetch(STATEMENTS["dispatches_of_events"], list(uids))
        found = [Dispatched(**dict(row)) for row in rows]
        paused = await self._pauses.held()
        for each in found:
            each.holds = holds(
                each, now, paused.by_route(each.route), self._limits_of(each.route)
            )
        return found

    def _limits_of(self, name: str) -> str:
        route = None if isinstance(self._routes, str) else self._routes.by_name.get(name)
        return "" if route is None else limits_shown(route.rate, route.max_in_flight)

    async def _deliveries(self, uid: UUID) -> list[Delivered]:
        rows = await self._database.fetch(STATEMENTS["deliveries_of_event"], uid)
        return [Delivered(**dict(row)) for row in rows]

    async def _letters_of(self, stored: StoredEvent, uids: Sequence[UUID]) -> list[Letter]:
        letters = await self._letters.about(uids, stored.event.id)
        return [
            letter
            for letter in letters
            # Another source may use the same id.
            if letter.uid in uids or letter.event_source in (None, stored.event.source)
        ]

    async def _cause(self, stored: StoredEvent) -> Happened | None:
        if stored.causation_uid is None:
            return None
        cause = await self._store.get(stored.causation_uid)
        return None if cause is None else happened(cause)

    async def _removed(self, stored: StoredEvent) -> list[str]:
        """Return what removed the data of the event, and when and why; nothing if it is there."""
        if stored.removal is None:
            return []
        removal = (await Removals(self._database).get([stored.removal]))[stored.removal]
        said = (
            f"its data was {removal.kind} {removal.began_at:%Y-%m-%d %H:%M} by {removal.who}: "
            f"{removal.why} (removal {removal.id})"
        )
        if removal.archive is not None:
            said += f"; archived at {removal.archive}"
        return [said]

    async def _compared(
        self,
        stored: StoredEvent,
        deliveries: Sequence[Delivered],
        dispatches: Sequence[Dispatched],
        remarks: list[str],
    ) -> list[RouteNote]:
        if stored.origin is Origin.EMITTED and not deliveries:
            remarks.append("emitted here and read by no source: routes do not apply")
            return []
        if stored.removal is not None:
            remarks.append("not compared with today's routes: its data is gone")
            return []
        if isinstance(self._routes, str):
            remarks.append(f"not compared with today's routes: {self._routes}")
            return []
        topic = stored.topic or ""
        async with Evaluator() as evaluator:
            verdicts = await evaluator.explain(self._routes, topic, stored.event)
        digests = {route.name: route.digest for route in self._routes.routes}
        if not dispatches and any(each.verdict == "matched" for each in deliveries):
            remarks.append("it matched a route once; retention has deleted its dispatches")
        return compare(dispatches, verdicts, digests)

    async def _ask_temporal(self, dispatches: Sequence[Dispatched], remarks: list[str]) -> None:
        asked = [dispatch for dispatch in dispatches if _has_run(dispatch)]
        if len(asked) > _MAX_RUNS:
            remarks.append(f"Temporal was asked for the first {_MAX_RUNS} runs only")
        # One shared iterator: each task takes the next dispatch from it.
        pending = iter(asked[:_MAX_RUNS])
        async with asyncio.TaskGroup() as group:
            for _ in range(_CONCURRENT_RUNS):
                group.create_task(self._ask_next(pending))

    async def _ask_next(self, pending: Iterator[Dispatched]) -> None:
        away: set[str] = set()
        for dispatch in pending:
            if dispatch.namespace in away:
                dispatch.run = RunNow(run_id=dispatch.run_id, status="unknown")
                continue
            dispatch.run = await self._run_now(dispatch)
            if dispatch.run.status == "unknown":
                away.add(dispatch.namespace)

    async def _run_now(self, dispatch: Dispatched) -> RunNow:
        runs = self._runs.get(dispatch.namespace)
        if runs is None:
            return RunNow(
                run_id=dispatch.run_id,
                status="unknown",
                detail=f"the namespace {dispatch.namespace} is not in the settings",
            )
        try:
            async with asyncio.timeout(_ASK_SECONDS):
                run = await runs.describe(dispatch.target, dispatch.run_id or "")
        except TimeoutError:
            reason = f"Temporal did not answer within {_ASK_SECONDS:g} s"
        except CallError as error:
            if error.status == "NOT_FOUND":
                return RunNow(
                    run_id=dispatch.run_id,
                    status="not found",
                    detail="never started, or deleted after Temporal's own retention",
                )
            reason = str(error)
        else:
            return RunNow(run_id=run.run_id, status=run.status)
        return RunNow(run_id=dispatch.run_id, status="unknown", detail=reason)


def _has_run(dispatch: Dispatched) -> bool:
    return bool(dispatch.target) and (
        dispatch.run_id is not None or dispatch.state in ("done", "duplicate", "collision")
    )
