"""Records a batch in one commit: events, planned dispatches, dead letters and deliveries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

from bridge import dead_letters
from bridge.dead_letters import DeadLetter
from bridge.dispatch.handover import Fresh
from bridge.intake import counting, refusals, single_statement
from bridge.intake.decision import Accepted, Counted, Judged, PassedOver, SetAside, stream_of
from bridge.intake.placement import Removed
from bridge.intake.recorded import Recorded, as_stored, received_event
from bridge.intake.rows import DeliveryVerdict, insert_deliveries, insert_dispatches
from bridge.lifecycle.crash_points import fault
from bridge.operations.base import Dispatch
from bridge.routes.table import PlannedDispatch
from bridge.settings.schema import SourceSettings
from bridge.sql import STATEMENTS
from eventstore.appending import Appended
from eventstore.database import Connection, Database
from eventstore.errors import AppendRefused, Conflict
from eventstore.events import Origin, StoredEvent
from eventstore.leases import Lease
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore

Stored = Appended | AppendRefused

_CALLS_FIRST = 0.005
"""Seconds until readers of the log are notified of received events that lead to calls. Readers, such as the relay, would
compete with the calls for the processor."""
_MAX_CHAIN = 64


@dataclass
class _Rows:
    """The rows that a batch adds."""

    verdicts: list[DeliveryVerdict] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    planned: list[tuple[int, UUID, PlannedDispatch]] = field(default_factory=list)
    events: dict[UUID, tuple[Accepted, Appended] | StoredEvent] = field(default_factory=dict)
    """The events with dispatches, by uid."""

    def plan(self, judged: Accepted, recorded: Appended | StoredEvent) -> None:
        """Add the dispatches of an event that is recorded for the first time."""
        self.verdicts.append("matched" if judged.plan else "unmatched")
        if not judged.plan:
            return
        uid = judged.event.uid
        if isinstance(recorded, StoredEvent):
            position = recorded.position
            self.events[uid] = recorded
        else:
            position = recorded.positions[0]
            self.events[uid] = judged, recorded
        for dispatch in judged.plan:
            self.planned.append((position, uid, dispatch))
            if dispatch.state == "dead":
                topic = judged.delivery.topic
                self.letters.append(refusals.unplannable(judged.event, topic, dispatch))

    def fresh(self, dispatches: Sequence[Dispatch]) -> list[Fresh]:
        """Return dispatches with their events."""
        return [Fresh(each, self._event(each)) for each in dispatches]

    def _event(self, dispatch: Dispatch) -> StoredEvent:
        found = self.events[dispatch.uid]
        if isinstance(found, StoredEvent):
            return found
        judged, appended = found
        return as_stored(received_event(judged), appended, dispatch.planned_at)


class Recorder:
    """Writes intake's decisions. A whole batch commits, or nothing of it."""

    def __init__(self, database: Database, store: EventStore) -> None:
        self._database = database
        self._store = store

    async def record(
        self, batch: Sequence[Judged], lease: Lease, consumer: str, *, fresh: bool = True
    ) -> Recorded:
        """Record a batch of a source.

        Recording the same batch again changes nothing. With ``fresh``, the result has `Recorded.fresh`.

        Raises:
            Deposed: The lease of the source is lost; nothing was written.
            Unavailable: The database is unavailable, or the outcome of the commit is unknown;
                record again in both cases.
        """
        if single_statement.suffices(batch):
            recorded = await single_statement.record(
                self._database, self._store, batch, lease, consumer, fresh=fresh
            )
            if recorded is not None:
                self._announce(recorded)
                return recorded
        # Read before the transaction, to keep the transaction short.
        chains = await self._chains(batch)
        async with self._database.transaction() as connection:
            await lease.assert_held(connection)
            known = await counting.known_among(connection, batch, consumer)
            await counting.count(connection, batch, consumer, known)
            recorded = await self.record_on(
                connection, batch, chains, known, consumer, fresh=fresh
            )
            fault("intake.before-commit")
        if recorded.letters:
            fault("dead-letter.after-commit")
        self._announce(recorded)
        return recorded

    async def record_on(
        self,
        connection: Connection,
        batch: Sequence[Judged],
        chains: Mapping[UUID, Sequence[str]] = MappingProxyType({}),
        known: frozenset[int] = frozenset(),
        consumer: str | None = None,
        *,
        fresh: bool = False,
    ) -> Recorded:
        """Record a batch in the caller's transaction; the caller announces after the commit.

        Messages that are only counted are the caller's to count; ``known`` are the sequences of
        those that were answered before. For a source's ``consumer``, the batch is its progress. With
        ``fresh``, the result has `Recorded.fresh`.
        """
        rows = _Rows()
        outcomes = await self._append(connection, batch)
        emitted = await self._first_seen(connection, batch, outcomes)
        for judged, outcome in zip(batch, outcomes, strict=True):
            if isinstance(judged, PassedOver):
                rows.verdicts.append("passed-over")
            elif isinstance(judged, Counted):
                seen = judged.delivery.sequence in known
                rows.verdicts.append("repeat" if seen else "counted")
            elif isinstance(judged, SetAside):
                rows.verdicts.append("set-aside")
                chain = () if judged.loop is None else chains.get(judged.loop.uid, ())
                rows.letters.append(refusals.set_aside(judged, chain))
            else:
                _add(rows, judged, outcome, emitted)
        dispatches = await insert_dispatches(connection, rows.planned, fresh=fresh)
        await dead_letters.insert(connection, rows.letters)
        await insert_deliveries(connection, batch, rows.verdicts, consumer)
        return Recorded(
            rows.verdicts, len(rows.planned), len(rows.letters), rows.fresh(dispatches)
        )

    async def note_removed(self, source: SourceSettings, removed: Removed, lease: Lease) -> int:
        """Store which messages left the stream before they were recorded; return how many are new.

        Raises:
            Deposed: The lease of the source is lost; nothing was written.
            Unavailable: The database is unavailable; call again.
        """
        async with self._database.transaction() as connection:
            await lease.assert_held(connection)
            added = await connection.fetchval(
                STATEMENTS["note_removed_messages"],
                source.stream,
                removed.stream_created,
                source.durable,
                removed.first,
                removed.through,
            )
        return added or 0

    def _announce(self, recorded: Recorded) -> None:
        self._store.announce(within=_CALLS_FIRST if recorded.planned else 0.0)

    async def _append(
        self,
        connection: Connection,
        batch: Sequence[Judged],
    ) -> list[Stored | None]:
        appends = [
            StreamAppend(stream_of(judged.event), (received_event(judged),))
            for judged in batch
            if isinstance(judged, Accepted)
        ]
        if not appends:
            return [None] * len(batch)
        stored = iter(await self._store.append_each(appends, connection=connection))
        return [next(stored) if isinstance(judged, Accepted) else None for judged in batch]

    async def _first_seen(
        self,
        connection: Connection,
        batch: Sequence[Judged],
        outcomes: Sequence[Stored | None],
    ) -> dict[UUID, StoredEvent]:
        """Return the events that workflows emitted and that intake receives for the first time.

        They are already in the store, in the stream of their run. The deliveries table shows
        whether intake has planned them before.
        """
        uids = [
            judged.event.uid
            for judged, outcome in zip(batch, outcomes, strict=True)
            if isinstance(judged, Accepted) and _is_elsewhere(outcome)
        ]
        if not uids:
            return {}
        rows = await connection.fetch(STATEMENTS["planned_before"], uids)
        decided = {row["uid"] for row in rows}
        stored = await self._store.get_many([uid for uid in uids if uid not in decided])
        return {uid: each for uid, each in stored.items() if each.origin is Origin.EMITTED}

    async def _chains(self, batch: Sequence[Judged]) -> dict[UUID, list[str]]:
        """Return the causation chain of each looping event, latest first, as far as it is stored.

        All chains are followed together: each read returns the next event of every chain.
        """
        loops = {each.loop.uid for each in batch if isinstance(each, SetAside) and each.loop}
        chains: dict[UUID, list[str]] = {uid: [] for uid in loops}
        ahead: dict[UUID, UUID] = {uid: uid for uid in loops}
        for _ in range(_MAX_CHAIN):
            if not ahead:
                break
            stored = await self._store.get_many(list(set(ahead.values())))
            found = {uid: stored[link] for uid, link in ahead.items() if link in stored}
            for uid, link in found.items():
                event = link.event
                chains[uid].append(f"{event.type} ({event.source}, {event.id})")
            ahead = {
                uid: link.causation_uid
                for uid, link in found.items()
                if link.causation_uid is not None
            }
        return chains


def _is_elsewhere(outcome: Stored | None) -> bool:
    return isinstance(outcome, Conflict) and outcome.reason == "stream"


def _add(
    rows: _Rows,
    judged: Accepted,
    outcome: Stored | None,
    emitted: dict[UUID, StoredEvent],
) -> None:
    match outcome:
        case Appended(duplicate=False):
            rows.plan(judged, outcome)
        case Appended():
            rows.verdicts.append("repeat")
        case Conflict(reason="stream") if judged.event.uid in emitted:
            # Removed from the dictionary, so that a second copy in this batch is a repeat.
            rows.plan(judged, emitted.pop(judged.event.uid))
        case Conflict(reason="stream"):
            # The same event with another key: planned when it was first recorded.
            rows.verdicts.append("repeat")
        case Conflict():
            rows.verdicts.append("conflict")
            rows.letters.append(refusals.conflict(judged, outcome))
        case AppendRefused():
            raise outcome
        case None:
            raise ValueError(f"no outcome for {judged.event.uid}")
        case _:
            assert_never(outcome)
