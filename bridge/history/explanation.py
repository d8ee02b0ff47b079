"""What became of an event, as values, and the rules by which they are put together. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from bridge.dead_letters.store import Letter
from bridge.routes.table import Verdict
from eventstore.events import Origin, StoredEvent

_RUN_STREAM = "run-"
"""What the names of the streams begin with into which runs emit; the workflow id follows."""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """One arrival of the event, and what intake answered."""

    stream: str
    stream_created: datetime
    sequence: int
    topic: str
    verdict: str
    recorded_at: datetime


class RunNow(msgspec.Struct, frozen=True, kw_only=True):
    """What Temporal says about a run at this moment."""

    run_id: str | None
    status: str
    """``unknown`` when it could not be asked."""
    detail: str | None = None


class Dispatched(msgspec.Struct, kw_only=True):
    """One dispatch, the run it led to, and the events that run emitted."""

    id: int
    uid: UUID
    route: str
    route_digest: bytes
    generation: int
    operation: str
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
    """The first dispatch that holds it in its lane, in words."""
    run: RunNow | None = None
    events: list["Happened"] = []


def waits_for(
    *, state: str, target: str, waiting_until: datetime | None, key: str, ahead: str | None
) -> str | None:
    """Return what a dispatch waits for, in words; None: for nothing but its own next attempt."""
    if state == "waiting":
        until = "" if waiting_until is None else f", until {waiting_until:%Y-%m-%d %H:%M:%S %Z}"
        return f"workflow {target} to start{until}"
    return None if ahead is None else f"{ahead}, ahead of it in lane {key}"


class _Reasoned(msgspec.Struct):
    """Data that give a reason."""

    reason: str | None = None


class Happened(msgspec.Struct, kw_only=True):
    """An event in the store, what it led to, and the letters about it."""

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
    reason: str | None = None
    """Of an event emitted here: what its data give as the reason, as failures do."""
    dispatches: list[Dispatched] = []
    events: list["Happened"] = []
    """Those that no dispatch above accounts for."""
    letters: list[Letter] = []


class RouteNote(msgspec.Struct, frozen=True, kw_only=True):
    """What one route makes of the event today, beside what was recorded."""

    route: str
    today: Literal["matched", "not matched", "failed", "removed"]
    recorded: Literal["dispatched", "not dispatched"]
    revision: Literal["same", "changed", "removed", "unknown"]
    """Of the route, compared with the one that planned; only a dispatch remembers it."""
    reason: str = ""
    """Why it does not match, or what fails."""

    @property
    def note(self) -> str:
        """What a person should know about the difference."""
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
                return "would not dispatch it today, though the route is the same"
            case _:
                return (
                    "nothing is recorded: the route is newer than the event, or retention has "
                    "removed the dispatch"
                )


class Explanation(msgspec.Struct, kw_only=True):
    """What became of an event."""

    event: Happened
    deliveries: list[Delivered]
    caused_by: Happened | None
    routes: list[RouteNote]
    """Each route of today, then those that are gone."""
    remarks: list[str]
    """What could not be found out, or should be known beside it."""


def happened(stored: StoredEvent) -> Happened:
    """Return an event without what it led to."""
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
        reason=_reason(stored) if stored.origin is Origin.EMITTED else None,
    )


def _reason(stored: StoredEvent) -> str | None:
    if not stored.event.has_json_data or stored.event.data is None:
        return None
    try:
        return msgspec.json.decode(stored.event.data, type=_Reasoned).reason
    except msgspec.DecodeError:  # other data, in which nothing is a reason
        return None


def descendants(root: UUID, events: Iterable[StoredEvent]) -> list[StoredEvent]:
    """Return those of the events that the root led to, over any number of steps."""
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
) -> Happened:
    """Hang dispatches under their events, and events under the dispatches that led to them."""
    nodes = {stored.uid: happened(stored) for stored in (root, *led_to)}
    for dispatch in dispatches:
        nodes[dispatch.uid].dispatches.append(dispatch)
    for letter in letters:
        nodes.get(letter.uid or root.uid, nodes[root.uid]).letters.append(letter)
    for stored in led_to:
        parent = nodes[stored.causation_uid or root.uid]
        emitter = stored.stream.removeprefix(_RUN_STREAM)
        branch = next(
            (each.events for each in parent.dispatches if each.target == emitter),
            parent.events,
        )
        branch.append(nodes[stored.uid])
    return nodes[root.uid]


def compare(
    recorded: Iterable[Dispatched],
    today: Sequence[Verdict],
    digests: Mapping[str, bytes],
) -> list[RouteNote]:
    """Compare what was planned with what today's routes would plan."""
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
