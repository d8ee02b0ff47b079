"""The dispatches' table: what is open, and what became of what was taken."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from bridge import dead_letters
from bridge.dead_letters import DeadLetter
from bridge.operations.base import Dispatch
from bridge.outcomes import Outcome
from bridge.sql import STATEMENTS
from eventstore.database import Database, Row
from eventstore.events import StoredEvent
from eventstore.store import EventStore


@dataclass(frozen=True, slots=True)
class Settlement:
    """A dispatch and what became of it."""

    dispatch: Dispatch
    outcome: Outcome
    event: StoredEvent


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is open, and when the next of it is due."""

    open: int
    next_in: float | None
    """Seconds until the first one is due; none are open when ``None``."""


class Ledger:
    """Reads open dispatches and settles them. For one dispatcher."""

    def __init__(self, database: Database, store: EventStore, daemon: str) -> None:
        self._database = database
        self._store = store
        self._daemon = daemon

    async def take(
        self,
        in_hand: Collection[int],
        most: int,
    ) -> list[tuple[Dispatch, StoredEvent]]:
        """Return the next dispatches that are due and not in hand, in position order.

        Raises:
            Unavailable: The database is away.
        """
        rows = await self._database.fetch(STATEMENTS["take_dispatches"], list(in_hand), most)
        dispatches = [_dispatch(row) for row in rows]
        events = await self._events({dispatch.uid for dispatch in dispatches})
        return [(dispatch, events[dispatch.uid]) for dispatch in dispatches]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write what became of dispatches, dead letters included, in one commit.

        Raises:
            Unavailable: The database is away or the commit's outcome is unknown; settling
                again changes nothing that is settled.
        """
        async with self._database.transaction() as connection:
            await connection.execute(
                STATEMENTS["settle_dispatches"],
                [settlement.dispatch.id for settlement in settlements],
                [settlement.outcome.state for settlement in settlements],
                [settlement.outcome.run_id for settlement in settlements],
                [settlement.outcome.error for settlement in settlements],
                [settlement.outcome.pause for settlement in settlements],
                self._daemon,
            )
            await dead_letters.insert(
                connection,
                [_dead_letter(each) for each in settlements if each.outcome.state == "dead"],
            )

    async def backlog(self) -> Backlog:
        """Count what is open.

        Raises:
            Unavailable: The database is away.
        """
        row = await self._database.fetchrow(STATEMENTS["count_open_dispatches"])
        return Backlog(row["open"], row["next_in"]) if row else Backlog(0, None)

    async def _events(self, uids: Collection[UUID]) -> dict[UUID, StoredEvent]:
        if not uids:
            return {}
        return await self._store.get_many(list(uids))


def _dispatch(row: Row) -> Dispatch:
    return Dispatch(**{**dict(row), "call": row["call"].encode()})


def _dead_letter(settlement: Settlement) -> DeadLetter:
    dispatch, stored = settlement.dispatch, settlement.event
    return DeadLetter(
        stage="dispatch",
        code=settlement.outcome.code or "permanent",
        reason=settlement.outcome.error or "refused without a reason",
        uid=dispatch.uid,
        route=dispatch.route,
        topic=stored.topic,
        payload=stored.event.data,
        attempts=dispatch.attempts + 1,
    )
