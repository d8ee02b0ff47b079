"""Records a batch as one statement, if nothing remains to be decided about its messages.

Most batches hold new events only. In a transaction they take six round trips (begin, lease, events,
dispatches, deliveries, commit); the function ``record_received`` in the database does all of this in one
(``bridge/sql/migrations/0011_recording.sql``). Any other batch is left to `bridge.intake.recorder`: with
messages that are set aside or only counted, with plans that are dead, or with events that the store refuses.
"""

from collections.abc import Sequence
from typing import assert_never

import structlog

from bridge.dispatch.handover import Fresh
from bridge.intake.decision import Accepted, Counted, Judged, PassedOver, SetAside, stream_of
from bridge.intake.recorded import Recorded, as_stored, received_event
from bridge.intake.rows import (
    DeliveryVerdict,
    admits,
    delivery_columns,
    fresh_dispatches,
    joins,
    plan_row,
    progress_columns,
)
from bridge.lifecycle.crash_points import fault
from bridge.operations.base import Dispatch
from bridge.sql import STATEMENTS
from eventstore.appending import Appended
from eventstore.database import Database
from eventstore.errors import StatementFailed
from eventstore.leases import Lease
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore

log = structlog.get_logger(__name__)


def suffices(batch: Sequence[Judged]) -> bool:
    """Return whether a batch may be recorded as one statement: it has an event, and nothing becomes a dead letter or is counted."""
    events = [each for each in batch if isinstance(each, Accepted)]
    return (
        bool(events)
        and all(isinstance(each, Accepted | PassedOver) for each in batch)
        and all(dispatch.state == "open" for each in events for dispatch in each.plan)
    )


async def record(
    database: Database,
    store: EventStore,
    batch: Sequence[Judged],
    lease: Lease,
    consumer: str,
    *,
    fresh: bool,
) -> Recorded | None:
    """Record a batch of a source that `suffices`; return fresh dispatches only if they are asked for.

    Return None if an event of it occurs twice or is refused: nothing was written. Recording the same batch
    again changes nothing.

    Raises:
        Deposed: The lease of the source is lost; nothing was written.
        InvalidEvent: One of its events can never be stored.
        Unavailable: The database is unavailable, or the outcome of the commit is unknown;
            record again in both cases.
    """
    events = [each for each in batch if isinstance(each, Accepted)]
    new = [received_event(each) for each in events]
    append = store.prepare_each(
        [
            StreamAppend(stream_of(each.event), (event,))
            for each, event in zip(events, new, strict=True)
        ]
    )
    if append is None:
        return None
    planned_by = [number for number, each in enumerate(events, start=1) for _ in each.plan]
    plans = [dispatch for each in events for dispatch in each.plan]
    verdicts, received_as = _answers(batch)
    fault("intake.before-commit")
    try:
        first, *rows = await database.fetch(
            STATEMENTS["record_received"],
            *lease.fence,
            *append.arguments,
            planned_by,
            [plan_row(plan) for plan in plans],
            fresh,
            joins(plans),
            admits(plans),
            *delivery_columns([each.delivery for each in batch]),
            verdicts,
            received_as,
            *progress_columns(batch[-1].delivery, consumer),
        )
    except StatementFailed as error:
        # Rolled back. In a transaction each event is judged, and an event that cannot be stored is found.
        log.debug("intake.recorded_in_transaction", reason=str(error))
        return None
    store.committed(append)
    outcomes, bases = first["outcomes"], first["bases"]
    is_new = [outcome == "a" for outcome in outcomes]
    inserted = [
        (events[number - 1].event.uid, plan)
        for number, plan in zip(planned_by, plans, strict=True)
        if is_new[number - 1]
    ]
    places = {each.event.uid: place for place, each in enumerate(events)} if rows else {}

    def with_event(dispatch: Dispatch) -> Fresh:
        place = places[dispatch.uid]
        stream, version = stream_of(events[place].event), bases[place] + 1
        appended = Appended(stream, version, version, (dispatch.position,), duplicate=False)
        return Fresh(dispatch, as_stored(new[place], appended, dispatch.planned_at))

    return Recorded(
        verdicts=[
            verdict if number is None or is_new[number - 1] else "repeat"
            for verdict, number in zip(verdicts, received_as, strict=True)
        ],
        planned=len(inserted),
        fresh=[with_event(each) for each in fresh_dispatches(rows, inserted)],
    )


def _answers(batch: Sequence[Judged]) -> tuple[list[DeliveryVerdict], list[int | None]]:
    """Return the verdict of each message if its event is new, and the number of that event, from 1."""
    verdicts: list[DeliveryVerdict] = []
    received_as: list[int | None] = []
    number = 0
    for each in batch:
        match each:
            case Accepted():
                number += 1
                verdicts.append("matched" if each.plan else "unmatched")
                received_as.append(number)
            case PassedOver():
                verdicts.append("passed-over")
                received_as.append(None)
            case SetAside() | Counted():
                raise ValueError(
                    f"message {each.delivery.sequence} is not recorded as one statement"
                )
            case _:
                assert_never(each)
    return verdicts, received_as
