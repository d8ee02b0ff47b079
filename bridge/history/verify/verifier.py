"""The verifier: run all checks, one after another."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime

from nats.aio.client import Client

from bridge.dead_letters.store import DeadLetters, LetterFilter
from bridge.history.verify.events import EventsCheck
from bridge.history.verify.findings import Counts, Discrepancy, VerifyScope
from bridge.history.verify.results import ResultsCheck
from bridge.history.verify.runs import RunListing, RunsCheck
from bridge.operations.calls import CallError
from bridge.routes.table import RouteTable
from bridge.settings.schema import Settings
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.filters import Filter
from eventstore.store import EventStore

_LAST = 2**63 - 1


@dataclass(frozen=True)
class Verifier:
    """Verifies a part of the history.

    Attributes:
        settings: Names, sources and retention.
        client: A connected NATS client.
        database: The bridge's database.
        store: The event store in it.
        temporal: Looks up runs, for each namespace as plans call it.
        routes: Today's routes.
        other_starters: Whether other clients may start the routes' workflows.
    """

    settings: Settings
    client: Client
    database: Database
    store: EventStore
    temporal: Mapping[str, RunListing]
    routes: RouteTable
    other_starters: bool = False

    async def findings(self, scope: VerifyScope, counts: Counts) -> AsyncGenerator[Discrepancy]:
        """Yield discrepancies as they are found.

        Raises:
            NotConnected: NATS cannot be reached.
            CallError: Temporal cannot be reached.
            Unavailable: The database cannot be reached.
        """
        async for finding in self.results(scope, counts):
            yield finding
        events = EventsCheck(
            self.client,
            self.settings.nats,
            self.database,
            self.store,
            self.settings.retention,
            scope,
            counts,
            self.routes.sources,
        )
        for source in self.settings.intake.sources:
            async for finding in events.recorded(source):
                yield finding
        async for finding in events.dispatched():
            yield finding
        for namespace, temporal in self.temporal.items():
            runs = RunsCheck(
                namespace,
                temporal,
                self.database,
                self.routes,
                self.settings.retention,
                scope,
                counts,
            )
            try:
                async for finding in self._runs(runs):
                    yield finding
            except CallError as error:
                raise self._of_namespace(error, namespace) from error
        await self._count_unreachable(scope, counts)
        async for finding in self._letters(scope, counts):
            yield finding

    def _of_namespace(self, error: CallError, namespace: str) -> CallError:
        """Return an error of Temporal with the namespace that it comes from."""
        temporal = self.settings.temporal.each[namespace]
        shown = f"temporal.namespaces.{namespace}: " if namespace else ""
        where = f"namespace {temporal.namespace} at {temporal.address}"
        return CallError(error.status, f"{shown}{where}, not verified: {error.message}")

    async def _runs(self, runs: RunsCheck) -> AsyncGenerator[Discrepancy]:
        async for finding in runs.dispatched():
            yield finding
        if not self.other_starters:
            async for finding in runs.elsewhere():
                yield finding
        async for finding in runs.found():
            yield finding

    async def _count_unreachable(self, scope: VerifyScope, counts: Counts) -> None:
        """Count the dispatches with a run in a namespace that the settings do not name."""
        rows = await self.database.fetch(
            STATEMENTS["dispatches_by_namespace"],
            scope.after,
            scope.through,
            list(self.temporal),
        )
        for row in rows:
            why = f"dispatches to the namespace {row['namespace']}, which the settings do not name"
            counts.skip(why, row["dispatches"])

    def results(self, scope: VerifyScope, counts: Counts) -> AsyncGenerator[Discrepancy]:
        """Yield the discrepancies of the stream of results."""
        return ResultsCheck(
            self.client,
            self.settings.nats,
            self.database,
            self.store,
            scope,
            counts,
        ).findings()

    async def _letters(self, scope: VerifyScope, counts: Counts) -> AsyncGenerator[Discrepancy]:
        letters = DeadLetters(self.database)
        chosen = LetterFilter(state="open", since=scope.since, until=scope.until)
        async for number in letters.ids(chosen, _LAST):
            counts.add("open dead letters")
            letter = await letters.get(number)
            if letter is None or letter.state != "open":
                continue
            yield Discrepancy(
                kind="dead-letter-open",
                what=f"dead letter {number}: {letter.stage} {letter.code}",
                detail=f"{letter.reason} → ntbridge dead-letters show {number}",
                uid=letter.uid,
                route=letter.route,
                letter=number,
            )


async def scope_of(
    database: Database,
    store: EventStore,
    *,
    from_position: int = 1,
    to_position: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    grace: float,
) -> VerifyScope:
    """Return the scope of a range of positions or times, up to where the log is final."""
    now = await database.fetchval(STATEMENTS["now"])
    final = await store.settled()
    after, through = from_position - 1, final if to_position is None else to_position - 1
    through = min(through, final)
    if since is not None or until is not None:
        within = Filter(since=since, until=until)
        first = [one async for one in store.read_all(where=within, through=final, limit=1)]
        last = [
            one
            async for one in store.read_all(
                where=within, through=final, direction="backward", limit=1
            )
        ]
        after = max(after, first[0].position - 1 if first else final)
        through = min(through, last[0].position if last else 0)
    if since is None and from_position > 1:
        since = await _recorded_at(store, from_position - 1)
    if until is None and to_position is not None:
        until = await _recorded_at(store, to_position - 1)
    return VerifyScope(
        after=after, through=through, since=since, until=until, grace=grace, now=now
    )


async def _recorded_at(store: EventStore, after: int) -> datetime | None:
    """Return when the first event after a position was recorded, None if there is none."""
    async for stored in store.read_all(after=after, limit=1):
        return stored.recorded_at
    return None
