"""What is decided over one delivery. Pure."""

import asyncio
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from bridge.cloudevents.lineage import hops_of
from bridge.errors import DecodeError
from bridge.evaluation import Evaluator
from bridge.intake.consumer import Delivery
from bridge.jetstream.server_messages import event_of, is_definition, is_delete_marker
from bridge.jetstream.subjects import is_readable_subject, shown_subject
from bridge.routes.table import PlannedDispatch, RouteTable
from eventstore.errors import InvalidEvent
from eventstore.events import Event

_LONGEST_PART = 240
"""Of a stream's name, in characters: two of four bytes each are within what the store takes."""
_EMITTED = "run"
"""The category of streams of emitted events, into which no publisher may write."""
_MAX_STRETCH, _MAX_STRETCH_SECONDS = 16, 0.002
"""So many deliveries are judged, or for so long, before other tasks of the event loop run."""
_VERSION = re.compile(r"\.v\d+$")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A delivery that is an event, and what it leads to."""

    delivery: Delivery
    event: Event
    plan: tuple[PlannedDispatch, ...]
    digest: bytes | None = None
    """Of the event, where it was computed already."""


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


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A delivery of NATS's own making that is no event: nothing follows from it."""

    delivery: Delivery
    reason: str


Judged = Accepted | SetAside | PassedOver


class Judge:
    """Judges deliveries without holding the event loop.

    Args:
        evaluator: Decodes and plans; what may take long, in a child process.
        routes: Returns the routes in force.
        max_hops: How often an event may pass the bridge.
    """

    def __init__(
        self, evaluator: Evaluator, routes: Callable[[], RouteTable], max_hops: int
    ) -> None:
        self._evaluator = evaluator
        self._routes = routes
        self._max_hops = max_hops

    async def judge_all(self, deliveries: Sequence[Delivery]) -> list[Judged]:
        """Judge a batch by the same routes, in its order, while other tasks have their turns."""
        routes = self._routes()
        judged: list[Judged] = []
        began = perf_counter()
        for number, each in enumerate(deliveries, start=1):
            judged.append(await judge_apart(self._evaluator, routes, each, self._max_hops))
            if not number % _MAX_STRETCH or perf_counter() - began > _MAX_STRETCH_SECONDS:
                await asyncio.sleep(0)
                began = perf_counter()
        return judged


async def judge_apart(
    evaluator: Evaluator, routes: RouteTable, delivery: Delivery, max_hops: int
) -> Judged:
    """Judge a delivery like `judge`, without holding the event loop: a large one in a child."""
    refusal = _no_event(delivery)
    if refusal is not None:
        return refusal
    try:
        received = await evaluator.receive(
            routes, delivery.topic, delivery.headers, delivery.payload, max_hops
        )
    except DecodeError as error:
        return _undecodable(delivery, error)
    loop = _loop(delivery, received.event, max_hops)
    if loop is not None:
        return loop
    if received.violation is not None:
        return SetAside(delivery, "schema", received.violation)
    return Accepted(delivery, received.event, tuple(received.plan), received.digest)


def judge(routes: RouteTable, delivery: Delivery, max_hops: int) -> Judged:
    """Decode a delivery, check its data and plan what it leads to; never raises.

    Takes as long as it takes: for what anybody may have sent use `judge_apart`.
    """
    refusal = _no_event(delivery)
    if refusal is not None:
        return refusal
    try:
        event = event_of(delivery.headers, delivery.payload)
    except DecodeError as error:
        return _undecodable(delivery, error)
    loop = _loop(delivery, event, max_hops)
    if loop is not None:
        return loop
    violation = routes.schemas.check(event)
    if violation is not None:
        return SetAside(delivery, "schema", violation)
    return Accepted(delivery, event, tuple(routes.plan(delivery.topic, event)))


def _no_event(delivery: Delivery) -> SetAside | PassedOver | None:
    if not is_readable_subject(delivery.topic):
        reason = (
            f"the subject {shown_subject(delivery.topic)!r} holds a control character or a byte "
            "that is no UTF-8: receivers could read it differently"
        )
        return SetAside(delivery, "subject", reason)
    if is_definition(delivery.headers):
        return PassedOver(delivery, "it defines a schedule; its firings are the events")
    return None


def _undecodable(delivery: Delivery, error: DecodeError) -> SetAside | PassedOver:
    if is_delete_marker(delivery.headers, delivery.payload):
        return PassedOver(delivery, "it marks that a message was deleted")
    return SetAside(delivery, error.code, str(error))


def _loop(delivery: Delivery, event: Event, max_hops: int) -> SetAside | None:
    hops = hops_of(event)
    if hops <= max_hops:
        return None
    reason = f"the event's chain has passed the bridge {hops} times; {max_hops} are the most"
    return SetAside(delivery, "loop", reason, loop=event)


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


def unrecordable(delivery: Delivery, error: Exception) -> SetAside:
    """Return what becomes of a delivery that cannot be recorded."""
    if isinstance(error, InvalidEvent):
        return SetAside(delivery, "not-storable", str(error))
    reason = f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    return SetAside(delivery, "unexplained", reason, trace)
