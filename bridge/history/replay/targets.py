"""`Targets`: opens the target of a replay, for a command or a console."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from bridge.evaluation import Evaluator
from bridge.history.replay.runner import Passed, Target
from bridge.history.replay.store import Destination, ToFile, ToNats, ToRoutes
from bridge.history.replay.to_file import FileTarget
from bridge.history.replay.to_nats import NatsTarget
from bridge.history.replay.to_routes import Planner, RoutesTarget
from bridge.jetstream.connection import connect_once
from bridge.routes.loading import load_routes
from bridge.settings.schema import Settings
from eventstore.database import Database
from eventstore.store import EventStore


class Report(Protocol):
    """Receives what happens during a run."""

    def waiting(self, dispatches: int) -> None:
        """Note that the run waits because so many dispatches are open; 0: it no longer waits."""
        ...

    def add(self, passed: Passed) -> None:
        """Note an event that could not be sent."""
        ...


class Targets:
    """The targets of replays from one store.

    Args:
        settings: For NATS and the routes.
        database: The dispatches.
        store: The store whose events are replayed.
        name: The name of the connection to NATS.
    """

    def __init__(
        self, settings: Settings, database: Database, store: EventStore, name: str
    ) -> None:
        self._settings = settings
        self.database = database
        self.store = store
        self._name = name

    @asynccontextmanager
    async def opened(
        self, destination: Destination, report: Report, *, fresh: bool
    ) -> AsyncIterator[tuple[Target, int | None]]:
        """Open a target; for NATS, also return the sequence of the stream's last message.

        Args:
            destination: Where to.
            report: Receives what happens.
            fresh: Whether this is the first run; then a file must not exist.

        Raises:
            BridgeError: It cannot be opened: the message says why.
        """
        match destination:
            case ToFile():
                file = FileTarget(destination, self.store, fresh=fresh, passed=report.add)
                try:
                    yield file, None
                finally:
                    await file.close()
            case ToNats():
                client = await connect_once(self._settings.nats, self._name)
                nats = NatsTarget(
                    client,
                    self._settings.nats,
                    destination,
                    guarded=self._settings.nats.streams.results,
                    passed=report.add,
                )
                try:
                    yield nats, await nats.open()
                finally:
                    await client.close()
            case ToRoutes():
                async with Evaluator() as evaluator:
                    planner = self.planner(destination, evaluator)
                    yield RoutesTarget(self.database, planner, waiting=report.waiting), None

    def planner(self, destination: ToRoutes, evaluator: Evaluator) -> Planner:
        """Return the planner of a replay to today's routes.

        Raises:
            RoutesError: The routes file is wrong.
            UnknownRoute: It has no route of a given name.
        """
        settings = self._settings
        return Planner(
            load_routes(
                settings.routes,
                settings.intake.written_sources,
                settings.type_prefix,
                settings.temporal.names,
                closures=settings.closures.enabled,
            ),
            destination,
            evaluator,
            max_hops=settings.intake.max_hops,
            retention=settings.retention.dispatches,
        )
