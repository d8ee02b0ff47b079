"""Verify runs: every run of a route has a dispatch, every dispatch has its one run.

Runs are listed by Visibility, which may lag. So a run that it does not list is described
individually before it counts as unknown. It does not list which run a run continues, so a run that
no dispatch names is described too: it may be a later one of a chain (retry, continue-as-new, reset).
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol
from uuid import UUID

from bridge.history.verify.findings import Counts, Discrepancy, VerifyScope
from bridge.operations.calls import CallError, ListedRun, Run
from bridge.operations.start import StartSpec
from bridge.routes.model import Route
from bridge.routes.table import RouteTable
from bridge.settings.schema import RetentionSettings
from bridge.sql import STATEMENTS
from eventstore.database import Database, Row

_BATCH = 500
_CONCURRENT = 8
_NOT_FOUND = "NOT_FOUND"


class RunListing(Protocol):
    """Looks up runs; implemented by the gateway to Temporal. All methods raise `CallError`."""

    def runs(self, query: str) -> AsyncGenerator[ListedRun]:
        """Yield the runs that match a Visibility query."""
        ...

    async def describe(self, workflow_id: str, run_id: str = "") -> Run:
        """Return a run."""
        ...

    async def retention(self) -> float:
        """Return the namespace's retention of closed runs, in seconds."""
        ...


class RunsCheck:
    """Compares the runs of one namespace and its dispatches.

    Args:
        namespace: The namespace, as plans call it.
        temporal: Looks up its runs.
        database: Holds the dispatches.
        routes: Today's routes, to all namespaces.
        retention: How long dispatches are kept.
        scope: What to check.
        counts: Counts what was checked.
    """

    def __init__(
        self,
        namespace: str,
        temporal: RunListing,
        database: Database,
        routes: RouteTable,
        retention: RetentionSettings,
        scope: VerifyScope,
        counts: Counts,
    ) -> None:
        self._namespace = namespace
        self._temporal = temporal
        self._database = database
        self._routes = routes
        self._retention = retention
        self._scope = scope
        self._counts = counts
        self._listed: set[bytes] = set()
        """The ids of the listed runs, 16 bytes each."""

    async def dispatched(self) -> AsyncGenerator[Discrepancy]:
        """Yield the runs of routes that have no dispatch, or whose dispatch started another run.

        Raises:
            CallError: Temporal cannot be reached.
            Unavailable: The database cannot be reached.
        """
        # Of all namespaces: so a run is found that a route started in the wrong one.
        names = {
            row["route"] for row in await self._database.fetch(STATEMENTS["dispatch_routes"])
        }
        names |= self._routes.by_name.keys()
        if not names:
            return
        batch: list[ListedRun] = []
        async with aclosing(self._temporal.runs(self._query("BridgeRoute", names))) as found:
            async for run in found:
                self._counts.add("runs")
                self._listed.add(_compact(run.run_id))
                batch.append(run)
                if len(batch) == _BATCH:
                    for finding in await self._unaccounted(batch):
                        yield finding
                    batch = []
        for finding in await self._unaccounted(batch):
            yield finding

    async def elsewhere(self) -> AsyncGenerator[Discrepancy]:
        """Yield the runs of the routes' workflows that no route has started.

        Child workflows and runs on other task queues are ignored.

        Raises:
            CallError: Temporal cannot be reached.
        """
        started = {
            (route.spec.workflow, route.spec.task_queue): route
            for route in self._routes.within(self._namespace).routes
            if isinstance(route.spec, StartSpec)
        }
        if not started:
            return
        query = self._query("WorkflowType", {workflow for workflow, _ in started})
        async with aclosing(self._temporal.runs(f"{query} AND BridgeRoute IS NULL")) as found:
            async for run in found:
                route = started.get((run.workflow, run.task_queue))
                if route is None or run.is_child:
                    continue
                self._counts.add("runs")
                yield _elsewhere(run, route)

    async def found(self) -> AsyncGenerator[Discrepancy]:
        """Yield the dispatches whose run Temporal does not know; call it after `dispatched`.

        Raises:
            CallError: Temporal cannot be reached.
            Unavailable: The database cannot be reached.
        """
        kept = await self._temporal.retention()
        after = 0
        while True:
            rows = await self._database.fetch(
                STATEMENTS["dispatches_with_run"],
                after,
                self._scope.after,
                self._scope.through,
                _BATCH,
                self._namespace,
            )
            self._counts.add("dispatches", len(rows))
            for finding in await self._without_run(rows, kept):
                yield finding
            if len(rows) < _BATCH:
                return
            after = rows[-1]["id"]

    async def _unaccounted(self, runs: Sequence[ListedRun]) -> list[Discrepancy]:
        pairs = [(_uid(run.event_uid), run.route) for run in runs]
        rows = await self._database.fetch(
            STATEMENTS["dispatches_known"],
            [uid for uid, _ in pairs],
            [route for _, route in pairs],
            self._namespace,
        )
        known = {(row["uid"], row["route"]): row["runs"] for row in rows}
        found: list[Discrepancy] = []
        unnamed: list[tuple[ListedRun, Sequence[str]]] = []
        for run, pair in zip(runs, pairs, strict=True):
            if self._scope.is_under_way(run.started_at):
                continue
            named = known.get(pair)
            # A dispatch without a run may have started this one: it is open, or ended ambiguously.
            if named is not None and (run.run_id in named or None in named):
                continue
            if self._scope.is_older(run.started_at, self._retention.dispatches):
                self._counts.skip("runs whose dispatches retention may have deleted")
                continue
            if named is not None:
                unnamed.append((run, named))
                continue
            found.append(
                Discrepancy(
                    kind="run-without-dispatch",
                    what=f"{run.workflow_id}, run {run.run_id} ({run.status})",
                    detail=f"its search attributes name the route {run.route} and the event "
                    f"{run.event_uid or '(none)'}, and there is no such dispatch",
                    uid=pair[0] if run.event_uid else None,
                    route=run.route,
                    workflow_id=run.workflow_id,
                    run_id=run.run_id,
                )
            )
        described = await self._described([(run.workflow_id, run.run_id) for run, _ in unnamed])
        for (run, named), known_run in zip(unnamed, described, strict=True):
            if known_run is not None and known_run.first_run_id not in named:
                found.append(_doubled(run, named))
        return found

    async def _without_run(self, rows: Sequence[Row], kept: float) -> list[Discrepancy]:
        unlisted = [
            row
            for row in rows
            if _compact(row["run_id"]) not in self._listed and self._must_be_kept(row, kept)
        ]
        described = await self._described([(row["target"], row["run_id"]) for row in unlisted])
        return [
            _without_run(row)
            for row, run in zip(unlisted, described, strict=True)
            if run is None
        ]

    def _must_be_kept(self, row: Row, kept: float) -> bool:
        if not self._scope.is_older(row["settled_at"], kept):
            return True
        self._counts.skip("dispatches whose runs the namespace may have deleted")
        return False

    async def _described(self, runs: Sequence[tuple[str, str]]) -> list[Run | None]:
        """Return runs by workflow id and run id, None for those that Temporal does not know."""
        found: list[Run | None] = [None] * len(runs)
        pending = enumerate(runs)

        async def ask() -> None:
            for place, (workflow_id, run_id) in pending:
                found[place] = await self._describe(workflow_id, run_id)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(_CONCURRENT, len(runs))):
                group.create_task(ask())
        return found

    async def _describe(self, workflow_id: str, run_id: str) -> Run | None:
        try:
            return await self._temporal.describe(workflow_id, run_id)
        except CallError as error:
            if error.status == _NOT_FOUND and not error.namespace_missing:
                return None
            raise

    def _query(self, attribute: str, values: set[str]) -> str:
        quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(values))
        parts = [f"{attribute} IN ({quoted})"]
        if self._scope.since is not None:
            parts.append(f"StartTime >= '{self._scope.since.isoformat()}'")
        if self._scope.until is not None:
            parts.append(f"StartTime < '{self._scope.until.isoformat()}'")
        return " AND ".join(parts)


def _doubled(run: ListedRun, named: Sequence[str]) -> Discrepancy:
    return Discrepancy(
        kind="run-doubled",
        what=f"{run.workflow_id}, run {run.run_id} ({run.status})",
        detail=f"the route {run.route} has started it for the event {run.event_uid}, as its search "
        f"attributes say, but the dispatch started {', '.join(sorted(set(named)))}: check what both have "
        "done, and undo one",
        uid=_uid(run.event_uid),
        route=run.route,
        workflow_id=run.workflow_id,
        run_id=run.run_id,
    )


def _elsewhere(run: ListedRun, route: Route) -> Discrepancy:
    return Discrepancy(
        kind="run-started-elsewhere",
        what=f"{run.workflow_id}, run {run.run_id} ({run.status})",
        detail=f"the route {route.name} starts {run.workflow} on {run.task_queue}, but not this "
        "run: another client did (if that is allowed: --allow-other-starters)",
        route=route.name,
        workflow_id=run.workflow_id,
        run_id=run.run_id,
    )


def _without_run(row: Row) -> Discrepancy:
    return Discrepancy(
        kind="dispatch-without-run",
        what=f"{row['operation']} {row['target']} by route {row['route']}, position "
        f"{row['position']}",
        detail=f"its run {row['run_id']} is unknown to Temporal: it was deleted, or "
        "the settings name another namespace or address than before",
        position=row["position"],
        uid=row["uid"],
        route=row["route"],
        workflow_id=row["target"],
        run_id=row["run_id"],
    )


def _compact(run_id: str) -> bytes:
    try:
        return UUID(run_id).bytes
    except ValueError:
        return run_id.encode()


def _uid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
