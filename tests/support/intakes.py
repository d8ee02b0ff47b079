"""Intake of one source as the daemon runs it: over a lease, with the real record."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bridge.dispatch.dispatchers import Windows
from bridge.dispatch.handover import Fresh
from bridge.evaluation import Evaluator
from bridge.intake.consumer import Consumer
from bridge.intake.decision import Judge
from bridge.intake.pipeline import Intake
from bridge.intake.progress import SourceProgress
from bridge.intake.recorder import Recorder
from bridge.jetstream.connection import NatsConnection
from bridge.lifecycle.leadership import Leadership
from bridge.operations.base import Backlog
from bridge.pauses import HELD_BY_NOTHING, HeldNow
from bridge.routes.table import RouteTable
from bridge.settings.schema import IntakeSettings, SourceSettings
from eventstore.database import Database
from eventstore.leases import Leases
from eventstore.store import EventStore
from tests.support.sources import Stream
from tests.support.waiting import eventually

NOTHING = Backlog(0, 0)


@dataclass
class Open:
    """What intake sees of dispatch."""

    backlog: Backlog = NOTHING

    def window(self) -> Windows:
        """Nothing is taken here."""
        return {}

    def hand_over(
        self,
        _windows: Windows,
        planned: int,
        _fresh: Sequence[Fresh],
        _partitions: Collection[int],
    ) -> None:
        """So many more are open."""
        self.backlog = Backlog(self.backlog.dispatches + planned, self.backlog.bytes)


@asynccontextmanager
async def intake(  # noqa: PLR0913, PLR0917 - what a daemon gives it
    connection: NatsConnection,
    stream: Stream,
    database: Database,
    source: SourceSettings,
    downstream: Open | None = None,
    owner: str = "one",
    routes: RouteTable | None = None,
    parts: tuple[type[Consumer], type[Recorder]] = (Consumer, Recorder),
    paused: HeldNow = HELD_BY_NOTHING,
    **settings: int,
) -> AsyncIterator[Intake]:
    """One source, taken in; stopped at the end."""
    store = EventStore(database)
    consumer, recorder = parts
    records = recorder(database, store)
    bounds = IntakeSettings(**settings)
    evaluator = Evaluator()
    service = Intake(
        consumer(connection, stream.nats, source, bounds, SourceProgress(database)),
        records,
        Leadership(Leases(database), f"source/{source.name}", owner),
        Judge(evaluator, lambda: routes or RouteTable([]), bounds.max_hops),
        bounds,
        downstream or Open(),
        paused=paused,
    )
    await service.start()
    try:
        yield service
    finally:
        await service.stop()
        await evaluator.close()
        await store.aclose()


async def recorded(database: Database, *ids: int) -> None:
    """Wait until these events are in the store, in this order, and no other."""

    async def look() -> bool:
        rows = await database.fetch("select id from event_attributes order by position")
        assert [row["id"] for row in rows] == [str(number) for number in ids]
        return True

    await eventually(look)
