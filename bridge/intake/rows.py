"""Inserts planned dispatches and deliveries as rows."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal
from uuid import UUID

import msgspec

from bridge import dead_letters
from bridge.dispatch.partitions import partition_of
from bridge.intake.consumer import Delivery
from bridge.intake.decision import Accepted, Counted, Judged
from bridge.jetstream.subjects import shown_subject
from bridge.operations.base import Dispatch
from bridge.routes.table import PlannedDispatch
from bridge.sql import STATEMENTS, in_pieces
from eventstore.database import Connection, Row

DeliveryVerdict = Literal[
    "matched", "unmatched", "repeat", "conflict", "set-aside", "passed-over", "counted"
]
"""Intake's decision about a delivery."""


async def insert_dispatches(
    connection: Connection,
    planned: Sequence[tuple[int, UUID, PlannedDispatch]],
    replay: UUID | None = None,
    *,
    fresh: bool = False,
) -> list[Dispatch]:
    """Insert planned dispatches, each with position and uid of its event.

    Dispatches planned before in the same generation stay unchanged. A ``replay`` that plans them is
    stored in the rows. Those that join a window do so in the same transaction, and those that need a slot get
    one, or are queued or skipped. Call it once in a transaction, with its last locks.

    Returns:
        If ``fresh``, the dispatches of those keys that had nothing open or waiting, in position
        order: all that were planned of a key, or none.
    """
    rows = [
        row
        for piece in in_pieces(planned, lambda each: len(each[2].call))
        for row in await connection.fetch(
            STATEMENTS["insert_dispatches"],
            [uid for _, uid, _ in piece],
            [position for position, _, _ in piece],
            [plan_row(plan) for _, _, plan in piece],
            replay,
            fresh,
        )
    ]
    plans = [plan for _, _, plan in planned]
    if joins(plans):
        await connection.execute(STATEMENTS["join_windows"])
    if admits(plans):
        await connection.execute(STATEMENTS["admit_to_slots"])
    return fresh_dispatches(rows, [(uid, plan) for _, uid, plan in planned])


def joins(plans: Iterable[PlannedDispatch]) -> bool:
    """Return whether one of them joins a window."""
    return any(_state(plan) == "gathering" for plan in plans)


def admits(plans: Iterable[PlannedDispatch]) -> bool:
    """Return whether one of them asks for a slot."""
    return any(plan.flow is not None and plan.flow.slot is not None for plan in plans)


def fresh_dispatches(
    rows: Sequence[Row], inserted: Iterable[tuple[UUID, PlannedDispatch]]
) -> list[Dispatch]:
    """Return the dispatches in the rows that an insertion returned, without those of keys of which some are missing.

    Args:
        rows: What ``insert_dispatches`` returned.
        inserted: What was to be inserted, each with the uid of its event.
    """
    if not rows:
        return []
    plans: dict[tuple[UUID, str, int], PlannedDispatch] = {}
    wanted: Counter[tuple[str, str]] = Counter()
    for uid, plan in inserted:
        if _state(plan) == "open":
            plans[uid, plan.route, plan.generation] = plan
            wanted[plan.namespace, plan.key] += 1
    returned = [(row, plans[row["uid"], row["route"], row["generation"]]) for row in rows]
    found = Counter((plan.namespace, plan.key) for _, plan in returned)
    return [
        _inserted(row, plan)
        for row, plan in returned
        if found[plan.namespace, plan.key] == wanted[plan.namespace, plan.key]
    ]


def _inserted(row: Row, plan: PlannedDispatch) -> Dispatch:
    """Return a dispatch as it is read from the table."""
    return Dispatch(
        id=row["id"],
        uid=row["uid"],
        position=row["position"],
        route=plan.route,
        generation=plan.generation,
        operation=plan.operation,
        namespace=plan.namespace,
        key=plan.key,
        target=plan.target,
        request_id=plan.request_id,
        call=plan.call,
        planned_at=row["planned_at"],
        give_up_attempts=plan.give_up_attempts,
        give_up_seconds=plan.give_up_seconds,
        trace=plan.trace,
        taken_at=row["taken_at"],
    )


def plan_row(plan: PlannedDispatch) -> tuple[object, ...]:
    """Return a dispatch as a ``planned_dispatch`` of the database: in the order of its columns."""
    return (
        plan.route,
        plan.route_digest,
        plan.generation,
        plan.operation,
        plan.namespace,
        plan.key,
        partition_of(plan.key),
        plan.target,
        plan.request_id,
        plan.call.decode(),
        plan.starts,
        plan.wait_for,
        plan.give_up_attempts,
        plan.give_up_seconds,
        _state(plan),
        None if plan.flow is None else msgspec.json.encode(plan.flow).decode(),
        None if plan.error is None else dead_letters.storable(plan.error),
        plan.trace,
    )


def _state(plan: PlannedDispatch) -> str:
    """Return the state in which a dispatch is inserted."""
    if plan.state != "open" or plan.flow is None:
        return plan.state
    return plan.flow.first_state


async def insert_deliveries(
    connection: Connection,
    batch: Sequence[Judged],
    verdicts: Sequence[DeliveryVerdict],
    consumer: str | None,
) -> None:
    """Insert the verdict of each delivery of a batch; a known delivery keeps its first verdict.

    Messages that are only counted have no row. For a source's ``consumer`` the batch is of one stream, and
    its last message is saved as the progress of the source.
    """
    kept = [
        (judged, verdict)
        for judged, verdict in zip(batch, verdicts, strict=True)
        if not isinstance(judged, Counted)
    ]
    if not kept and consumer is None:
        return
    deliveries = [judged.delivery for judged, _ in kept]
    columns = [
        *delivery_columns(deliveries),
        [verdict for _, verdict in kept],
        [judged.event.uid if isinstance(judged, Accepted) else None for judged, _ in kept],
    ]
    if consumer is None:
        await connection.execute(
            STATEMENTS["insert_redriven_deliveries"],
            [delivery.stream for delivery in deliveries],
            [delivery.stream_created for delivery in deliveries],
            *columns,
        )
        return
    progress = progress_columns(batch[-1].delivery, consumer)
    await connection.execute(STATEMENTS["insert_deliveries"], *columns, *progress)


def delivery_columns(deliveries: Sequence[Delivery]) -> list[Sequence[object]]:
    """Return the sequences and subjects of deliveries."""
    return [
        [delivery.sequence for delivery in deliveries],
        [shown_subject(delivery.topic) for delivery in deliveries],
    ]


def progress_columns(last: Delivery, consumer: str) -> list[object]:
    """Return the last delivery of a batch as the progress of its source."""
    return [last.stream, last.stream_created, consumer, last.sequence, last.arrived_ns]
