"""Builds the dead letters of intake. Pure."""

from collections.abc import Sequence
from uuid import UUID

from bridge.dead_letters import DeadLetter
from bridge.dead_letters.mentions import mentioned
from bridge.intake.consumer import Delivery
from bridge.intake.decision import Accepted, SetAside
from bridge.jetstream.subjects import is_readable_subject, shown_subject, subject_bytes
from bridge.routes.table import PlannedDispatch
from eventstore.errors import Conflict
from eventstore.events import Event


def conflict(judged: Accepted, outcome: Conflict) -> DeadLetter:
    """Return the dead letter of an event whose source and id are stored with another body."""
    reason = f"an event with this source and id but another body is stored: {outcome}"
    return _dead_letter(judged.delivery, "conflict", reason, uid=judged.event.uid)


def set_aside(judged: SetAside, chain: Sequence[str]) -> DeadLetter:
    """Return the dead letter of a delivery that is not an event or is part of a loop."""
    reason = judged.reason
    if chain:
        reason += "; the chain, latest first: " + " ← ".join(chain)
    uid = None if judged.loop is None else judged.loop.uid
    return _dead_letter(
        judged.delivery, judged.code, reason, uid=uid, traceback=judged.traceback
    )


def unplannable(event: Event, topic: str | None, dispatch: PlannedDispatch) -> DeadLetter:
    """Return the dead letter of a stored event for which one route could not plan."""
    return DeadLetter(
        stage="dispatch",
        code="expression",
        reason=dispatch.error or "",
        uid=event.uid,
        route=dispatch.route,
        generation=dispatch.generation,
        topic=topic,
        payload=event.data,
    )


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
        topic=shown_subject(delivery.topic),
        subject=(
            None if is_readable_subject(delivery.topic) else subject_bytes(delivery.topic)
        ),
        arrived_ns=delivery.arrived_ns,
        headers=delivery.headers,
        payload=delivery.payload,
    )
