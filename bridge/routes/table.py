"""The routes in force: matching an event and planning what it leads to. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Literal
from uuid import UUID, uuid5

import msgspec
from msgspec.structs import replace

from bridge.errors import ExpressionError
from bridge.expressions import EventScope
from bridge.routes.model import Route
from bridge.subjects import matches
from eventstore.events import Event

REQUEST_NAMESPACE = UUID("0b6c3c1e-5f0c-5d0a-8d53-3a1e7c2f9b11")
"""The UUIDv5 namespace of request ids; part of the contract, never to be changed."""

FIRST_GENERATION = 1
MAX_WORKFLOW_ID = 1000
"""The longest workflow id that Temporal takes, in characters."""


class PlannedDispatch(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the plan: this event, by this route, to this target.

    ``dead`` with an ``error`` when the route matched, but its plan cannot be made: an
    expression failed, or the target is one the route may not touch.
    """

    route: str
    route_digest: bytes
    generation: int
    operation: str
    key: str
    target: str
    request_id: UUID
    call: bytes
    """JSON; see `bridge.operations.base.Planned`."""
    give_up_attempts: int | None = None
    give_up_seconds: float | None = None
    state: Literal["open", "dead"] = "open"
    error: str | None = None


class RouteTable:
    """Routes, indexed so that many cost little more than few."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self.by_name = {route.name: route for route in self.routes}
        self._exact: dict[str, list[Route]] = defaultdict(list)
        self._open: list[Route] = []
        for route in self.routes:
            if route.type is None or route.type.endswith("*"):
                self._open.append(route)
            else:
                self._exact[route.type].append(route)

    def plan(
        self,
        topic: str,
        event: Event,
        generation: int = FIRST_GENERATION,
    ) -> Sequence[PlannedDispatch]:
        """Return what is to be dispatched for an event that came on this topic; never raises."""
        scope: EventScope | None = None
        planned = []
        for route in self._candidates(event.type):
            if not _matches_envelope(route, topic, event):
                continue
            scope = scope or EventScope(event, topic)
            dispatch = _plan(route, event.uid, scope, generation)
            if dispatch is not None:
                planned.append(dispatch)
        return planned

    def _candidates(self, event_type: str) -> Iterable[Route]:
        return [*self._exact.get(event_type, ()), *self._open]


def request_id(event_uid: UUID, route: str, generation: int) -> UUID:
    """Return the key that makes one dispatch happen once, however often it is tried."""
    return uuid5(REQUEST_NAMESPACE, f"{event_uid}\n{route}\n{generation}")


def _matches_envelope(route: Route, topic: str, event: Event) -> bool:
    return (
        matches(route.subject, topic)
        and _is_like(route.type, event.type)
        and _is_like(route.source, event.source)
        and all(
            str(event.extensions.get(name)) == value for name, value in route.extensions.items()
        )
    )


def _is_like(wanted: str | None, given: str) -> bool:
    if wanted is None:
        return True
    return given.startswith(wanted[:-1]) if wanted.endswith("*") else given == wanted


def _plan(
    route: Route,
    uid: UUID,
    scope: EventScope,
    generation: int,
) -> PlannedDispatch | None:
    """Return the dispatch, a dead one if an expression fails, None if ``when`` says no."""
    dispatch = PlannedDispatch(
        route=route.name,
        route_digest=route.digest,
        generation=generation,
        operation=route.operation.name,
        key=str(uid),
        target="",
        request_id=request_id(uid, route.name, generation),
        call=b"{}",
        give_up_attempts=route.give_up_after.attempts,
        give_up_seconds=route.give_up_after.seconds,
    )
    try:
        if route.when is not None and not scope.truth(route.when):
            return None
        planned = route.operation.plan(route.spec, scope, route=route.name, uid=uid)
        _check_target(route, planned.target)
        key = planned.target if route.key is None else scope.text(route.key)
    except ExpressionError as error:
        return replace(dispatch, state="dead", error=str(error))
    call = msgspec.json.encode(planned.call)
    return replace(dispatch, key=key, target=planned.target, call=call)


def _check_target(route: Route, target: str) -> None:
    if not target or len(target) > MAX_WORKFLOW_ID or not target.isprintable():
        raise ExpressionError(
            f"{target[:80]!r} is no workflow id: 1 to {MAX_WORKFLOW_ID} printable characters",
        )
    if route.only and not any(fnmatchcase(target, pattern) for pattern in route.only):
        raise ExpressionError(
            f"the workflow id {target!r} is not among those this route may touch "
            f"({', '.join(route.only)})",
        )
