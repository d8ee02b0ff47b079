"""An explanation of an event: its values, and the rules that build it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

import msgspec

from bridge.dead_letters.store import Letter
from bridge.emit.request import source_of
from bridge.routes.table import RouteResult
from bridge.runtime.strict import DEFAULT_NAMESPACE
from bridge.settings.source_settings import MADE_BY_SOURCE
from eventstore.events import Origin, StoredEvent

_RUN_STREAM = "run-"
"""The prefix of the streams to which runs emit; the workflow id follows."""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery of the event, and intake's answer."""

    stream: str
    stream_created: datetime
    sequence: int
    topic: str
    verdict: str
    recorded_at: datetime


class RunNow(msgspec.Struct, frozen=True, kw_only=True):
    """The current state of a run in Temporal."""

    run_id: str | None
    status: str
    """``unknown`` if Temporal could not be reached."""
    detail: str | None = None


class Dispatched(msgspec.Struct, kw_only=True):
    """One dispatch, its run, and the events that the run emitted."""

    id: int
    uid: UUID
    route: str
    route_digest: bytes
    generation: int
    operation: str
    namespace: str = DEFAULT_NAMESPACE
    """Its name in the settings; empty for the default one."""
    key: str
    target: str
    state: str
    run_id: str | None
    attempts: int
    next_attempt_at: datetime
    waiting_until: datetime | None
    error: str | None
    daemon: str | None
    planned_at: datetime
    settled_at: datetime | None
    replay: UUID | None = None
    """The replay that planned it; None for intake."""
    ahead: str | None = None
    """The first dispatch before it in its lane, in words."""
    together: str | None = None
    """With which other events of a window it is called, in words."""
    slot: str | None = None
    """The slot that it waits for or holds, in words."""
    holds: list[str] = []
    """What holds it up, in words, the first obstacle first; nothing if it is settled."""
    run: RunNow | None = None
    events: list["Happened"] = []


class _Reasoned(msgspec.Struct):
    """Event data with a reason."""

    reason: str | None = None


class Happened(msgspec.Struct, kw_only=True):
    """An event, what it caused, and its dead letters."""

    uid: UUID
    id: str
    source: str
    type: str
    topic: str | None
    origin: str
    stream: str
    version: int
    position: int
    recorded_at: datetime
    correlation_id: str
    causation_id: str | None
    made_by_source: str | None = None
    """The stream of the message from which a source made this event; None for a CloudEvent."""
    reason: str | None = None
    """For an event emitted here: the ``reason`` in its data, if any."""
    dispatches: list[Dispatched] = []
    events: list["Happened"] = []
    """The events it caused that belong to none of the dispatches above."""
    letters: list[Letter] = []


class RouteNote(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one route for the event today, compared with what was recorded."""

    route: str
    today: Literal["matched", "not matched", "failed", "removed"]
    recorded: Literal["dispatched", "not dispatched"]
    revision: Literal["same", "changed", "removed", "unknown"]
    """The route compared with its revision that planned the dispatch; unknown without a dispatch."""
    reason: str = ""
    """Why it does not match, or its error."""

    @property
    def note(self) -> str:
        """The difference, in words; empty if there is none."""
        match (self.recorded, self.today, self.revision):
            case ("dispatched", "matched", "same") | ("not dispatched", "not matched", _):
                return ""
            case ("dispatched", "removed", _):
                return "removed from the routes since"
            case ("dispatched", "matched", _):
                return "the route was changed since"
            case ("dispatched", _, "changed"):
                return "the route was changed since, and would not dispatch it today"
            case ("dispatched", _, _):
                return "would not dispatch it today, although the route is the same"
            case _:
                return (
                    "no dispatch is recorded: the route is newer than the event, or retention has "
                    "deleted the dispatch"
                )


class Explanation(msgspec.Struct, kw_only=True):
    """What happened to an event."""

    event: Happened
    deliveries: list[Delivered]
    caused_by: Happened | None
    routes: list[RouteNote]
    """Each of today's routes, then those that were removed."""
    remarks: list[str]
    """What could not be determined, and other remarks."""
    at: datetime
    """The database's time of the answer."""


class Trace(msgspec.Struct, kw_only=True):
    """The chain that an event belongs to, as a tree from its first event."""

    asked: UUID
    """The event that was asked for."""
    event: Happened
    remarks: list[str]
    at: datetime
    """The database's time of the answer."""


def happened(stored: StoredEvent) -> Happened:
    """Return an event without what it caused."""
    event = stored.event
    return Happened(
        uid=stored.uid,
        id=event.id,
        source=event.source,
        type=event.type,
        topic=stored.topic,
        origin=stored.origin.value,
        stream=stored.stream,
        version=stored.version,
        position=stored.position,
        recorded_at=stored.recorded_at,
        correlation_id=stored.correlation_id,
        causation_id=stored.causation_id,
        made_by_source=_made_by(stored),
        reason=_reason(stored) if stored.origin is Origin.EMITTED else None,
    )


def _made_by(stored: StoredEvent) -> str | None:
    stream = stored.event.extensions.get(MADE_BY_SOURCE)
    return None if stream is None else str(stream)


def _reason(stored: StoredEvent) -> str | None:
    if not stored.event.has_json_data or stored.event.data is None:
        return None
    try:
        return msgspec.json.decode(stored.event.data, type=_Reasoned).reason
    except msgspec.DecodeError:  # data without a text reason
        return None


def descendants(root: UUID, events: Iterable[StoredEvent]) -> list[StoredEvent]:
    """Return the events that the root caused, directly or indirectly."""
    caused: dict[UUID, list[StoredEvent]] = {}
    for stored in events:
        if stored.causation_uid is not None and stored.uid != root:
            caused.setdefault(stored.causation_uid, []).append(stored)
    found: list[StoredEvent] = []
    pending = [root]
    while pending:
        children = caused.pop(pending.pop(), [])
        found += children
        pending += [child.uid for child in children]
    return sorted(found, key=lambda stored: stored.position)


def tree_of(
    root: StoredEvent,
    led_to: Sequence[StoredEvent],
    dispatches: Iterable[Dispatched],
    letters: Iterable[Letter],
    namespaces: Mapping[str, str] = MappingProxyType({}),
) -> Happened:
    """Build a tree: dispatches under their events, events under the dispatches that caused them.

    ``namespaces`` are the namespaces' names on their servers, by their names in the settings.
    """
    nodes = {stored.uid: happened(stored) for stored in (root, *led_to)}
    for dispatch in dispatches:
        nodes[dispatch.uid].dispatches.append(dispatch)
    for letter in letters:
        nodes.get(letter.uid or root.uid, nodes[root.uid]).letters.append(letter)
    for stored in led_to:
        parent = nodes[stored.causation_uid or root.uid]
        emitter = stored.stream.removeprefix(_RUN_STREAM)
        possible = [each for each in parent.dispatches if each.target == emitter]
        # Workflows of several namespaces may have the same id.
        same = [each for each in possible if _is_from(stored, namespaces.get(each.namespace))]
        branch = next((each.events for each in (*same, *possible)), parent.events)
        branch.append(nodes[stored.uid])
    return nodes[root.uid]


def _is_from(stored: StoredEvent, namespace: str | None) -> bool:
    """Return whether a workflow in a namespace emitted an event."""
    return namespace is not None and stored.event.source.startswith(source_of(namespace, ""))


def compare(
    recorded: Iterable[Dispatched],
    today: Sequence[RouteResult],
    digests: Mapping[str, bytes],
) -> list[RouteNote]:
    """Compare the planned dispatches with what today's routes would plan."""
    planned = {dispatch.route: dispatch for dispatch in recorded}
    notes = []
    for verdict in today:
        dispatch = planned.pop(verdict.route, None)
        if dispatch is None:
            same: Any = "unknown"
        else:
            same = "same" if dispatch.route_digest == digests[verdict.route] else "changed"
        notes.append(
            RouteNote(
                route=verdict.route,
                today=verdict.state,
                recorded="not dispatched" if dispatch is None else "dispatched",
                revision=same,
                reason=verdict.reason,
            )
        )
    return notes + [
        RouteNote(route=route, today="removed", recorded="dispatched", revision="removed")
        for route in planned
    ]
