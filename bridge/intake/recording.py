"""One commit for a batch: events, plan, dead letters, and what each delivery came to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from bridge import dead_letters
from bridge.dead_letters import DeadLetter
from bridge.dead_letters.mentions import mentioned
from bridge.intake.consumer import Delivery
from bridge.partitions import partition_of
from bridge.routes.table import PlannedDispatch
from bridge.sql import STATEMENTS
from eventstore.appending import Appended, StreamAppend
from eventstore.database import Connection, Database
from eventstore.errors import Conflict
from eventstore.events import Event, NewEvent, Origin
from eventstore.store import EventStore

Verdict = Literal["matched", "unmatched", "repeat", "conflict", "undecodable"]

_VERSION = re.compile(r"\.v\d+$")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A delivery that is an event, and what it leads to."""

    delivery: Delivery
    event: Event
    plan: tuple[PlannedDispatch, ...]


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A delivery that is no event."""

    delivery: Delivery
    code: str
    reason: str
    traceback: str | None = None
    """Where it happened, of a fault that nobody foresaw."""


Judged = Accepted | Undecodable


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording a batch came to."""

    verdicts: Sequence[Verdict]
    """One for each member of the batch."""
    planned: int
    """How many dispatches were planned."""


class Recorder:
    """Writes what intake decided. All of a batch commits, or nothing of it."""

    def __init__(self, database: Database, store: EventStore) -> None:
        self._database = database
        self._store = store

    async def record(self, batch: Sequence[Judged]) -> int:
        """Record a batch and return how many dispatches it planned.

        Recording the same batch again changes nothing.

        Raises:
            Unavailable: The database is away, or the outcome of the commit is unknown;
                recording again is right in both cases.
        """
        async with self._database.transaction() as connection:
            recorded = await self.record_on(connection, batch)
        self._store.announce()
        return recorded.planned

    async def record_on(self, connection: Connection, batch: Sequence[Judged]) -> Recorded:
        """Record a batch in the caller's transaction; the caller announces after it."""
        verdicts: list[Verdict] = []
        letters: list[DeadLetter] = []
        planned: list[tuple[int, UUID, PlannedDispatch]] = []
        outcomes = iter(await self._append(connection, batch))
        for judged in batch:
            if isinstance(judged, Undecodable):
                verdicts.append("undecodable")
                letters.append(_undecodable(judged))
                continue
            outcome = next(outcomes)
            verdict = _verdict(judged, outcome)
            verdicts.append(verdict)
            if verdict == "conflict":
                letters.append(_conflict(judged, outcome))
            elif verdict == "matched" and isinstance(outcome, Appended):
                planned += [
                    (outcome.positions[0], judged.event.uid, dispatch)
                    for dispatch in judged.plan
                ]
                letters += [
                    _unplannable(judged, dispatch)
                    for dispatch in judged.plan
                    if dispatch.state == "dead"
                ]
        await insert_dispatches(connection, planned)
        await dead_letters.insert(connection, letters)
        await _insert_deliveries(connection, batch, verdicts)
        return Recorded(verdicts, len(planned))

    async def _append(
        self,
        connection: Connection,
        batch: Sequence[Judged],
    ) -> Sequence[Appended | Exception]:
        appends = [
            StreamAppend(stream_of(judged.event), (_new_event(judged),))
            for judged in batch
            if isinstance(judged, Accepted)
        ]
        if not appends:
            return ()
        return await self._store.append_each(appends, connection=connection)


def stream_of(event: Event) -> str:
    """Return the store stream of an incoming event: ``<category>-<key>``.

    The category is the part of the type before its name (``…<category>.<name>.v1``), with
    ``_`` for ``-``, since the hyphen parts it from the key. The key is the event's subject,
    else its uid, so that no single stream takes everything.
    """
    parts = _VERSION.sub("", event.type).split(".")
    category = (parts[-2] if len(parts) > 1 else parts[0]).replace("-", "_") or "event"
    return f"{category}-{event.subject or event.uid}"


def _new_event(judged: Accepted) -> NewEvent:
    event = judged.event
    correlation = event.extensions.get("correlationid")
    return NewEvent(
        event=event,
        origin=Origin.RECEIVED,
        topic=judged.delivery.topic,
        correlation_id=event.id if correlation is None else str(correlation),
        correlation_uid=event.uid,
    )


def _verdict(judged: Accepted, outcome: Appended | Exception) -> Verdict:
    if isinstance(outcome, Appended):
        if outcome.duplicate:
            return "repeat"
        return "matched" if judged.plan else "unmatched"
    if isinstance(outcome, Conflict) and outcome.reason == "stream":
        # The same event with another key: known, and planned when it was first recorded.
        return "repeat"
    if isinstance(outcome, Conflict):
        return "conflict"
    raise outcome


def _conflict(judged: Accepted, outcome: Appended | Exception) -> DeadLetter:
    reason = f"an event with this source and id but another body is stored: {outcome}"
    return _dead_letter(judged.delivery, "conflict", reason, uid=judged.event.uid)


def _unplannable(judged: Accepted, dispatch: PlannedDispatch) -> DeadLetter:
    """The event is stored; only this route could not be followed."""
    return DeadLetter(
        stage="dispatch",
        code="expression",
        reason=dispatch.error or "",
        uid=judged.event.uid,
        route=dispatch.route,
        generation=dispatch.generation,
        topic=judged.delivery.topic,
        payload=judged.event.data,
    )


def _undecodable(judged: Undecodable) -> DeadLetter:
    return _dead_letter(judged.delivery, judged.code, judged.reason, traceback=judged.traceback)


def _dead_letter(
    delivery: Delivery,
    code: str,
    reason: str,
    *,
    uid: UUID | None = None,
    traceback: str | None = None,
) -> DeadLetter:
    return DeadLetter(
        stage="intake",
        code=code,
        reason=reason,
        traceback=traceback,
        uid=uid,
        about=mentioned(delivery.headers, delivery.payload),
        stream=delivery.stream,
        stream_created=delivery.stream_created,
        sequence=delivery.sequence,
        topic=delivery.topic,
        headers=delivery.headers,
        payload=delivery.payload,
    )


async def insert_dispatches(
    connection: Connection,
    planned: Sequence[tuple[int, UUID, PlannedDispatch]],
) -> None:
    """Write the plan: position and uid of the event, and what is to be dispatched for it."""
    if not planned:
        return
    plans = [plan for _, _, plan in planned]
    await connection.execute(
        STATEMENTS["insert_dispatches"],
        [uid for _, uid, _ in planned],
        [position for position, _, _ in planned],
        [plan.route for plan in plans],
        [plan.route_digest for plan in plans],
        [plan.generation for plan in plans],
        [plan.operation for plan in plans],
        [plan.key for plan in plans],
        [plan.target for plan in plans],
        [plan.request_id for plan in plans],
        [plan.call.decode() for plan in plans],
        [partition_of(plan.key) for plan in plans],
        [plan.state for plan in plans],
        [None if plan.error is None else dead_letters.storable(plan.error) for plan in plans],
        [plan.give_up_attempts for plan in plans],
        [plan.give_up_seconds for plan in plans],
    )


async def _insert_deliveries(
    connection: Connection,
    batch: Sequence[Judged],
    verdicts: Sequence[Verdict],
) -> None:
    deliveries = [judged.delivery for judged in batch]
    await connection.execute(
        STATEMENTS["insert_deliveries"],
        [delivery.stream for delivery in deliveries],
        [delivery.stream_created for delivery in deliveries],
        [delivery.sequence for delivery in deliveries],
        [dead_letters.storable(delivery.topic) for delivery in deliveries],
        list(verdicts),
        [judged.event.uid if isinstance(judged, Accepted) else None for judged in batch],
    )
