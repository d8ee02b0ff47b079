"""What is decided over one delivery. Pure."""

import re
from dataclasses import dataclass

from bridge.cloudevents import decode
from bridge.errors import DecodeError
from bridge.intake.consumer import Delivery
from bridge.lineage import hops_of
from bridge.routes.table import PlannedDispatch, RouteTable
from bridge.subjects import is_readable_subject, shown_subject
from eventstore.events import Event

_LONGEST_PART = 240
"""Of a stream's name, in characters: two of four bytes each are within what the store takes."""
_EMITTED = "run"
"""The category of streams of emitted events, into which no publisher may write."""
_VERSION = re.compile(r"\.v\d+$")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A delivery that is an event, and what it leads to."""

    delivery: Delivery
    event: Event
    plan: tuple[PlannedDispatch, ...]


@dataclass(frozen=True, slots=True)
class SetAside:
    """A delivery that becomes a dead letter, with its bytes."""

    delivery: Delivery
    code: str
    reason: str
    traceback: str | None = None
    """Where it happened, of a fault that nobody foresaw."""
    loop: Event | None = None
    """The event, when it is set aside because its chain runs in a circle."""


Judged = Accepted | SetAside


def judge(routes: RouteTable, delivery: Delivery, max_hops: int) -> Judged:
    """Decode a delivery, check its data and plan what it leads to; never raises."""
    if not is_readable_subject(delivery.topic):
        reason = (
            f"the subject {shown_subject(delivery.topic)!r} holds a control character or a byte "
            "that is no UTF-8: receivers could read it differently"
        )
        return SetAside(delivery, "subject", reason)
    try:
        event = decode(delivery.headers, delivery.payload)
    except DecodeError as error:
        return SetAside(delivery, error.code, str(error))
    hops = hops_of(event)
    if hops > max_hops:
        reason = (
            f"the event's chain has passed the bridge {hops} times; {max_hops} are the most"
        )
        return SetAside(delivery, "loop", reason, loop=event)
    violation = routes.schemas.check(event)
    if violation is not None:
        return SetAside(delivery, "schema", violation)
    return Accepted(delivery, event, tuple(routes.plan(delivery.topic, event)))


def stream_of(event: Event) -> str:
    """Return the store stream of an incoming event: ``<category>-<key>``.

    The category is the part of the type before its name (``…<category>.<name>.v1``), with
    ``_`` for ``-``, since the hyphen parts it from the key. The key is the event's subject,
    else its uid, so that no single stream takes everything. What is too long for a name gives
    way: the category to ``event``, the subject to the uid. Streams that begin with ``run-`` hold
    what workflows emit; the category ``run`` of a received event becomes ``run_``.
    """
    parts = _VERSION.sub("", event.type).split(".")
    category = (parts[-2] if len(parts) > 1 else parts[0]).replace("-", "_")
    if category == _EMITTED:
        category += "_"
    subject = event.subject or ""
    return (
        f"{category if 0 < len(category) <= _LONGEST_PART else 'event'}-"
        f"{subject if 0 < len(subject) <= _LONGEST_PART else event.uid}"
    )
