"""Recording as intake does, with what was planned handed over to a dispatcher of the same process."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from typing_extensions import override

from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.dispatchers import Dispatchers, have_room
from bridge.dispatch.ledger import Crowded, Ledger
from bridge.intake.decision import judge
from bridge.intake.recorded import Recorded
from bridge.intake.recorder import Recorder
from bridge.operations.base import Dispatch
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.store import EventStore
from tests.support.daemon_parts import Parts, delivery
from tests.support.waiting import eventually


class ReadCounts(Ledger):
    """Counts what was read from the table."""

    def __init__(self, database: Database, store: EventStore, daemon: str) -> None:
        super().__init__(database, store, daemon)
        self.reads = 0
        self.taken = 0
        self.events_read = 0

    @override
    async def take(
        self,
        partitions: Sequence[int],
        in_hand: Sequence[int],
        crowded: Crowded,
        most: int,
        most_bytes: int,
    ) -> list[Dispatch]:
        found = await super().take(partitions, in_hand, crowded, most, most_bytes)
        self.reads += 1
        self.taken += len(found)
        return found

    @override
    async def events(self, uids: Collection[UUID]) -> dict[UUID, StoredEvent]:
        found = await super().events(uids)
        self.events_read += len(found)
        return found


def counting(parts: Parts, **settings: Any) -> tuple[Dispatcher, ReadCounts]:
    """Return a dispatcher, not running, and its ledger."""
    made: list[ReadCounts] = []

    def ledger(database: Database, store: EventStore, daemon: str) -> Ledger:
        made.append(ReadCounts(database, store, daemon))
        return made[-1]

    dispatcher = parts.dispatcher(ledger=ledger, **settings)
    return dispatcher, made[0]


async def empty(ledger: ReadCounts) -> None:
    """Wait until the table was read and nothing was found, as before events that come one at a time."""
    await eventually(lambda: ledger.reads > 0, what="the first read of the table")


@asynccontextmanager
async def recording(
    parts: Parts,
    dispatcher: Dispatcher,
    *events: tuple[str, int],
    consumer: str = "tests",
    fresh: bool | None = None,
) -> AsyncIterator[Recorded]:
    """Record events; the block runs before the commit, the hand-over comes after it.

    Two recordings at once need two consumers: each saves the progress of its own. ``fresh`` asks for what may be
    handed over, by default if there is room for it.
    """
    batch = []
    for key, number in events:
        parts.planned += 1
        batch.append(judge(parts.routes, delivery(key, number, parts.planned), 16))
    store, dispatchers = EventStore(parts.database), Dispatchers([dispatcher])
    windows = dispatchers.window()
    async with parts.database.transaction() as connection:
        # The block may take long on a busy machine.
        await connection.execute("set local idle_in_transaction_session_timeout = '5min'")
        recorder = Recorder(parts.database, store)
        recorded = await recorder.record_on(
            connection,
            batch,
            consumer=consumer,
            fresh=have_room(windows) if fresh is None else fresh,
        )
        yield recorded
    dispatchers.hand_over(windows, recorded.planned, recorded.fresh)
    await store.aclose()


async def record(
    parts: Parts, dispatcher: Dispatcher, *events: tuple[str, int], fresh: bool | None = None
) -> Recorded:
    """Record events and hand them over."""
    async with recording(parts, dispatcher, *events, fresh=fresh) as recorded:
        pass
    return recorded
