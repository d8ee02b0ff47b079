"""Inserts planned dispatches and deliveries as rows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec

from bridge import dead_letters
from bridge.dispatch.ledger import dispatch_of
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
            *dispatch_columns([plan for _, _, plan in piece]),
            replay,
            fresh,
        )
    ]
    plans = [plan for _, _, plan in planned]
    if joins(plans):
        await connection.execute(STATEMENTS["join_windows"])
    if admits(plans):
        await connection.execute(STATEMENTS["admit_to_slots"])
    return fresh_dispatches(rows, plans)


def joins(plans: Iterable[PlannedDispatch]) -> bool:
    """Return whether one of them joins a window."""
    return any(_state(plan) == "gathering" for plan in plans)


def admits(plans: Iterable[PlannedDispatch]) -> bool:
    """Return whether one of them asks for a slot."""
    return any(plan.flow is not None and plan.flow.slot is not None for plan in plans)


def fresh_dispatches(
    rows: Sequence[Row] | Sequence[Mapping[str, Any]], inserted: Iterable[PlannedDispatch]
) -> list[Dispatch]:
    """Return the dispatches in the rows that an insertion returned, without those of keys of which some are missing."""
    if not rows:
        return []
    wanted = Counter((plan.namespace, plan.key) for plan in inserted if _state(plan) == "open")
    found = Counter((row["namespace"], row["key"]) for row in rows)
    return [
        dispatch_of(row, row["namespace"])
        for row in rows
        if found[row["namespace"], row["key"]] == wanted[row["namespace"], row["key"]]
    ]


def dispatch_columns(plans: Sequence[PlannedDispatch]) -> list[Sequence[object]]:
    """Return dispatches as columns of ``insert_dispatches``, from the route on."""
    return [
        [plan.route for plan in plans],
        [plan.route_digest for plan in plans],
        [plan.generation for plan in plans],
        [plan.operation for plan in plans],
        [plan.key for plan in plans],
        [plan.target for plan in plans],
        [plan.request_id for plan in plans],
        [plan.call.decode() for plan in plans],
        [partition_of(plan.key) for plan in plans],
        [_state(plan) for plan in plans],
        [None if plan.error is None else dead_letters.storable(plan.error) for plan in plans],
        [plan.give_up_attempts for plan in plans],
        [plan.give_up_seconds for plan in plans],
        [plan.trace for plan in plans],
        [plan.starts for plan in plans],
        [plan.wait_for for plan in plans],
        [plan.namespace for plan in plans],
        [
            None if plan.flow is None else msgspec.json.encode(plan.flow).decode()
            for plan in plans
        ],
    ]


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

    Messages that are only counted have no row. Also save the batch's last message as the progress of
    a ``consumer``, if one is given.
    """
    kept = [
        (judged, verdict)
        for judged, verdict in zip(batch, verdicts, strict=True)
        if not isinstance(judged, Counted)
    ]
    if not kept and consumer is None:
        return
    columns = [
        *delivery_columns([judged.delivery for judged, _ in kept]),
        [verdict for _, verdict in kept],
        [judged.event.uid if isinstance(judged, Accepted) else None for judged, _ in kept],
    ]
    if consumer is None:
        await connection.execute(STATEMENTS["insert_redriven_deliveries"], *columns)
        return
    progress = progress_columns(batch[-1].delivery, consumer)
    await connection.execute(STATEMENTS["insert_deliveries"], *columns, *progress)


def delivery_columns(deliveries: Sequence[Delivery]) -> list[Sequence[object]]:
    """Return deliveries as columns of ``insert_deliveries``, up to the subject."""
    return [
        [delivery.stream for delivery in deliveries],
        [delivery.stream_created for delivery in deliveries],
        [delivery.sequence for delivery in deliveries],
        [shown_subject(delivery.topic) for delivery in deliveries],
    ]


def progress_columns(last: Delivery, consumer: str) -> list[object]:
    """Return the last delivery of a batch as the progress of its source."""
    return [last.stream, last.stream_created, consumer, last.sequence, last.arrived_ns]
