"""Decides what a delivery becomes: an event with a plan, a dead letter, or nothing."""

import asyncio
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from bridge.cloudevents.headers import Headers
from bridge.cloudevents.lineage import hops_of
from bridge.errors import DecodeError
from bridge.evaluation import Evaluator
from bridge.intake.consumer import Delivery
from bridge.jetstream.server_messages import is_definition, is_delete_marker
from bridge.jetstream.subjects import is_readable_subject, shown_subject
from bridge.routes.table import PlannedDispatch, RouteTable
from bridge.sources import SourceMessage
from eventstore.errors import InvalidEvent
from eventstore.events import Event

_MAX_PART = 240
"""Maximum characters of each part of a store stream's name: two parts of four-byte characters fit."""
_EMITTED = "run"
"""The category of streams of emitted events, into which publishers must not write."""
_CHUNK, _CHUNK_SECONDS = 16, 0.002
"""Deliveries judged, and time spent, before other tasks of the event loop run."""
_VERSION = re.compile(r"\.v\d+$")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A delivery that is an event, and its planned dispatches."""

    delivery: Delivery
    event: Event
    plan: tuple[PlannedDispatch, ...]
    digest: bytes | None = None
    """The event's digest, if already computed."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """A delivery that becomes a dead letter, with its bytes."""

    delivery: Delivery
    code: str
    reason: str
    traceback: str | None = None
    """The traceback of an unexpected error."""
    loop: Event | None = None
    """The event, if its causation chain is a loop."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A delivery that is not an event but has a meaning to NATS; it is ignored."""

    delivery: Delivery
    reason: str


@dataclass(frozen=True, slots=True)
class Counted:
    """A delivery that is an event that no route matches, of a source that only counts these."""

    delivery: Delivery
    event: Event


Judged = Accepted | SetAside | PassedOver | Counted


class Judge:
    """Judges deliveries without blocking the event loop.

    Args:
        evaluator: Decodes and plans; in a child process if that may take long.
        routes: Returns the routes in force.
        max_hops: How often an event's chain may pass the bridge.
    """

    def __init__(
        self, evaluator: Evaluator, routes: Callable[[], RouteTable], max_hops: int
    ) -> None:
        self._evaluator = evaluator
        self._routes = routes
        self._max_hops = max_hops

    async def judge_all(self, deliveries: Sequence[Delivery]) -> list[Judged]:
        """Judge a batch in order with one version of the routes; other tasks run in between."""
        routes = self._routes()
        judged: list[Judged] = []
        began = perf_counter()
        for number, each in enumerate(deliveries, start=1):
            judged.append(await judge_apart(self._evaluator, routes, each, self._max_hops))
            if not number % _CHUNK or perf_counter() - began > _CHUNK_SECONDS:
                await asyncio.sleep(0)
                began = perf_counter()
        return judged


async def judge_apart(
    evaluator: Evaluator, routes: RouteTable, delivery: Delivery, max_hops: int
) -> Judged:
    """Judge a delivery like `judge` without blocking the event loop: large ones in a child."""
    refusal = _no_event(delivery)
    if refusal is not None:
        return refusal
    try:
        received = await evaluator.receive(routes, message_of(delivery), max_hops)
    except DecodeError as error:
        return _undecodable(delivery, error)
    loop = _loop(delivery, received.event, max_hops)
    if loop is not None:
        return loop
    if received.violation is not None:
        return SetAside(delivery, "schema", received.violation)
    return _accepted(
        routes, Accepted(delivery, received.event, tuple(received.plan), received.digest)
    )


def judge(routes: RouteTable, delivery: Delivery, max_hops: int) -> Judged:
    """Decode a delivery, check its data and plan its dispatches; never raises.

    The time is not limited: use `judge_apart` for input from publishers.
    """
    refusal = _no_event(delivery)
    if refusal is not None:
        return refusal
    try:
        event = routes.sources.decoder(delivery.stream, delivery.topic).decode(
            message_of(delivery)
        )
    except DecodeError as error:
        return _undecodable(delivery, error)
    loop = _loop(delivery, event, max_hops)
    if loop is not None:
        return loop
    violation = routes.schemas.check(event)
    if violation is not None:
        return SetAside(delivery, "schema", violation)
    return _accepted(
        routes, Accepted(delivery, event, tuple(routes.plan(delivery.topic, event)))
    )


def _accepted(routes: RouteTable, accepted: Accepted) -> Accepted | Counted:
    if accepted.plan:
        return accepted
    delivery = accepted.delivery
    source = routes.sources.decoder(delivery.stream, delivery.topic).source
    return accepted if source.unmatched == "store" else Counted(delivery, accepted.event)


def message_of(delivery: Delivery) -> SourceMessage:
    """Return the message of a delivery, for its source's decoder."""
    return SourceMessage(
        topic=delivery.topic,
        headers=Headers.of(delivery.headers),
        payload=delivery.payload,
        stream=delivery.stream,
        sequence=delivery.sequence,
        arrived_ns=delivery.arrived_ns,
    )


def _no_event(delivery: Delivery) -> SetAside | PassedOver | None:
    if not is_readable_subject(delivery.topic):
        reason = (
            f"the subject {shown_subject(delivery.topic)!r} holds a control character or a byte "
            "that is not UTF-8: receivers could read it differently"
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
    reason = f"the event's chain has passed the bridge {hops} times; the maximum is {max_hops}"
    return SetAside(delivery, "loop", reason, loop=event)


def stream_of(event: Event) -> str:
    """Return the store stream of an incoming event: ``<category>-<key>``.

    The category is the label before the name in the type (``…<category>.<name>.v1``), with ``_``
    instead of ``-``, because a hyphen separates it from the key. The key is the event's subject or,
    without one, its uid, so that events spread over many streams. A category that is too long
    becomes ``event``; a subject that is too long is replaced by the uid. Streams that begin with
    ``run-`` hold events that workflows emit; the category ``run`` of a received event becomes ``run_``.
    """
    parts = _VERSION.sub("", event.type).split(".")
    category = (parts[-2] if len(parts) > 1 else parts[0]).replace("-", "_")
    if category == _EMITTED:
        category += "_"
    subject = event.subject or ""
    return (
        f"{category if 0 < len(category) <= _MAX_PART else 'event'}-"
        f"{subject if 0 < len(subject) <= _MAX_PART else event.uid}"
    )


def unrecordable(delivery: Delivery, error: Exception) -> SetAside:
    """Return the dead letter of a delivery that cannot be recorded."""
    if isinstance(error, InvalidEvent):
        return SetAside(delivery, "not-storable", str(error))
    reason = f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    return SetAside(delivery, "unexplained", reason, trace)
