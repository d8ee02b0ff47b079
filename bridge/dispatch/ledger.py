"""`Ledger`: the table of dispatches; reads those that are due and writes outcomes."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import structlog

from bridge import dead_letters
from bridge.dead_letters import DeadLetter
from bridge.lifecycle.crash_points import fault
from bridge.operations.base import Backlog, Dispatch, Member
from bridge.operations.outcomes import Outcome
from bridge.runtime.strict import DEFAULT_NAMESPACE
from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database, Row
from eventstore.errors import Unavailable
from eventstore.events import StoredEvent
from eventstore.leases import PATIENCE, Lease
from eventstore.store import EventStore

log = structlog.get_logger(__name__)

_COUNT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Settlement:
    """A dispatch and its outcome."""

    dispatch: Dispatch
    outcome: Outcome
    event: StoredEvent


class Crowded(NamedTuple):
    """Keys and routes of which enough dispatches are in memory; no more are taken for now."""

    keys: Sequence[str]
    routes: Sequence[str]


class Ledger:
    """Reads due dispatches of one namespace and settles them. For one dispatcher.

    Args:
        database: Holds the table.
        store: The event store in the same database.
        daemon: This daemon's name, written into settled rows.
        closures: Whether to record started runs, for their closure events.
        namespace: The namespace, as plans call it.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        daemon: str,
        *,
        closures: bool = True,
        namespace: str = DEFAULT_NAMESPACE,
    ) -> None:
        self.namespace = namespace
        self._database = database
        self._store = store
        self._daemon = daemon
        self._closures = closures

    async def take(
        self,
        partitions: Sequence[int],
        in_hand: Sequence[int],
        crowded: Crowded,
        most: int,
        most_bytes: int,
    ) -> list[Dispatch]:
        """Return the next due dispatches of some partitions, except those in ``in_hand``.

        In position order; none that follows one of its key that is not due or is left out. The list
        ends with the dispatch whose call makes the total reach ``most_bytes``.

        Raises:
            Unavailable: The database is unavailable.
        """
        rows = await self._database.fetch(
            STATEMENTS["take_dispatches"],
            self.namespace,
            partitions,
            in_hand,
            most,
            crowded.keys,
            crowded.routes,
            most_bytes,
        )
        return [_dispatch(row, self.namespace) for row in rows]

    async def events(self, uids: Collection[UUID]) -> dict[UUID, StoredEvent]:
        """Return the events of dispatches.

        Raises:
            Unavailable: The database is unavailable.
        """
        return await self._store.get_many(list(uids))

    async def members(self, ids: Collection[int]) -> list[Member]:
        """Return the events of a window, in order; without those whose data were removed.

        Raises:
            Unavailable: The database is unavailable.
        """
        rows = await self._database.fetch(STATEMENTS["dispatches_of_window"], list(ids))
        events = await self._store.get_many([row["uid"] for row in rows])
        return [
            Member(
                route=row["route"],
                request_id=row["request_id"],
                call=row["call"].encode(),
                event=event,
            )
            for row in rows
            if (event := events[row["uid"]]).removal is None
        ]

    async def settle(self, settlements: Sequence[Settlement], leases: Sequence[Lease]) -> int:
        """Write the outcomes of dispatches, and dead letters, in one commit.

        Returns:
            How many waiting dispatches became due because their workflow was started.

        Raises:
            Deposed: One of the leases is lost; nothing was written.
            Unavailable: The database is unavailable or the commit's outcome is unknown; repeat
                the call: it does not change settled rows.
        """
        outcomes = [settlement.outcome for settlement in settlements]
        dead = [each for each in settlements if each.outcome.state == "dead"]
        fault("dispatch.before-settle")
        if dead:
            async with self._database.transaction() as connection:
                woken = await self._write(connection, settlements, leases)
                await dead_letters.insert(connection, [_dead_letter(each) for each in dead])
        else:  # one statement, which is its own transaction
            async with self._database.connection() as connection:
                woken = await self._write(connection, settlements, leases)
        fault("dispatch.settled")
        if dead:
            fault("dead-letter.after-commit")
        if any(outcome.code == "resolved" for outcome in outcomes):
            fault("dispatch.resolution-stored")
        return woken

    async def _write(
        self,
        connection: Connection,
        settlements: Sequence[Settlement],
        leases: Sequence[Lease],
    ) -> int:
        outcomes = [settlement.outcome for settlement in settlements]
        woken = await connection.fetchval(
            STATEMENTS["settle_dispatches"],
            [settlement.dispatch.id for settlement in settlements],
            [outcome.state for outcome in outcomes],
            [outcome.run_id for outcome in outcomes],
            [_text(outcome.error) for outcome in outcomes],
            [outcome.pause for outcome in outcomes],
            self._daemon,
            [self._is_bare(outcome) for outcome in outcomes],
            [lease.name for lease in leases],
            [lease.epoch for lease in leases],
            f"{PATIENCE}s",
        )
        return int(woken)

    def _is_bare(self, outcome: Outcome) -> bool | None:
        """Return whether the closure event omits the result; None: no closure event."""
        if outcome.closure is None or not self._closures:
            return None
        return outcome.closure == "bare"

    async def backlog(self) -> Backlog:
        """Count the namespace's open dispatches, of all partitions.

        Raises:
            Unavailable: The database is unavailable.
        """
        (row,) = await self._database.fetch(STATEMENTS["count_open_dispatches"], self.namespace)
        return Backlog(row["dispatches"], row["bytes"])


class OpenCount:
    """The namespace's open dispatches, of all partitions: the last count, kept up to date here.

    Args:
        ledger: Counts them.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.backlog = Backlog(0, 0)

    def planned(self, dispatches: int) -> None:
        """Add dispatches that were planned since the count."""
        self.backlog = self.backlog._replace(dispatches=self.backlog.dispatches + dispatches)

    def ended(self, dispatches: int) -> None:
        """Subtract dispatches that were settled since the count."""
        left = max(0, self.backlog.dispatches - dispatches)
        self.backlog = self.backlog._replace(dispatches=left)

    async def run(self) -> None:
        """Count periodically until cancelled, concurrently with the calls."""
        while True:
            await asyncio.sleep(_COUNT_SECONDS)
            await self.refresh()

    async def refresh(self) -> None:
        """Count now, if the database is available."""
        try:
            self.backlog = await self._ledger.backlog()
        except Unavailable as error:
            log.warning("dispatch.store_unavailable", error=str(error))


def _dispatch(row: Row, namespace: str) -> Dispatch:
    return Dispatch(**{**dict(row), "call": row["call"].encode(), "namespace": namespace})


def _text(text: str | None) -> str | None:
    return None if text is None else dead_letters.storable(text)


def _dead_letter(settlement: Settlement) -> DeadLetter:
    dispatch, stored = settlement.dispatch, settlement.event
    return DeadLetter(
        stage="dispatch",
        code=settlement.outcome.code or "permanent",
        reason=settlement.outcome.error or "no reason was given",
        traceback=settlement.outcome.traceback,
        uid=dispatch.uid,
        route=dispatch.route,
        generation=dispatch.generation,
        topic=stored.topic,
        payload=stored.event.data,
        attempts=dispatch.attempts + 1,
    )
