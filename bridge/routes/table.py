"""A table of routes: matches an event and plans its dispatches. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

import msgspec

from bridge.cel import EventScope, holds_nul
from bridge.errors import ExpressionError
from bridge.flow.plan import FlowPlan
from bridge.operations.fetching import EXTENSION, fetching
from bridge.operations.starting import StartFields
from bridge.routes.index import RouteIndex
from bridge.routes.matching import is_among, mismatch
from bridge.routes.model import Route, RoutesFile
from bridge.routes.schemas import NO_SCHEMAS, SchemaRegistry, schemas_of
from bridge.routes.window_fields import window_plan
from bridge.runtime.strict import DEFAULT_NAMESPACE
from bridge.settings.source_settings import SourceSettings
from bridge.sources import NO_SOURCES, Sources
from bridge.sources.table import sources_of
from eventstore.events import Event
from eventstore.uuid5 import Namespace

REQUEST_NAMESPACE = UUID("0b6c3c1e-5f0c-5d0a-8d53-3a1e7c2f9b11")
"""The UUIDv5 namespace of request ids; must never change, because stored ids depend on it."""
_REQUEST_IDS = Namespace(REQUEST_NAMESPACE)

FIRST_GENERATION = 1
MAX_ID = 1000
"""Maximum length of a workflow id in Temporal, in bytes; also the maximum of a key."""


class PlannedDispatch(msgspec.Struct, frozen=True, kw_only=True):
    """One planned dispatch of an event by one route to one target.

    The state is ``dead``, with an ``error``, if the route matches but cannot plan: an expression
    failed, or the route's ``only`` does not allow the target.
    """

    route: str
    route_digest: bytes
    generation: int
    operation: str
    namespace: str = DEFAULT_NAMESPACE
    """Its name in the settings, or `DEFAULT_NAMESPACE`."""
    key: str
    target: str
    request_id: UUID
    call: bytes
    """JSON; see `bridge.operations.base.Planned`."""
    starts: bool = False
    """Whether it starts the target workflow if that does not run."""
    wait_for: float | None = None
    """Seconds to wait for a target workflow that does not run; None: do not wait."""
    give_up_attempts: int | None = None
    give_up_seconds: float | None = None
    flow: FlowPlan | None = None
    """The slot and the window that it asks for; None: neither."""
    state: Literal["open", "dead"] = "open"
    error: str | None = None
    trace: str | None = None
    """The trace context that the dispatch continues."""


class RouteResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of evaluating one route on one event."""

    route: str
    state: Literal["matched", "not matched", "failed"]
    reason: str = ""
    """The first condition that is false, or the failure."""
    plan: PlannedDispatch | None = None
    """The planned dispatch if the route matched; a dead dispatch if it failed."""


class RouteTable:
    """Indexed routes, the schemas of event data, and the sources."""

    def __init__(
        self,
        routes: Iterable[Route],
        schemas: SchemaRegistry = NO_SCHEMAS,
        sources: Sources = NO_SOURCES,
    ) -> None:
        self.routes = tuple(routes)
        self.schemas = schemas
        self.sources = sources
        self.by_name = {route.name: route for route in self.routes}
        self._index = RouteIndex(self.routes)

    @cached_property
    def task_queues(self) -> Mapping[str, Sequence[str]]:
        """The names of the routes that start workflows, by task queue."""
        queues: dict[str, list[str]] = {}
        for route, spec in self._starts():
            queues.setdefault(spec.task_queue, []).append(route.name)
        return queues

    @cached_property
    def search_attributes(self) -> Mapping[str, str]:
        """The search attributes that routes set, each with the name of one such route."""
        return {
            name: route.name
            for route, spec in self._starts()
            for name in spec.search_attributes
        }

    def within(self, namespace: str) -> "RouteTable":
        """Return the table of the routes to one namespace."""
        return RouteTable(
            [
                route
                for route in self.routes
                if (route.namespace or DEFAULT_NAMESPACE) == namespace
            ]
        )

    def _starts(self) -> Iterator[tuple[Route, StartFields]]:
        """Yield the start parameters of routes, including those of a signal that may start a run."""
        for route in self.routes:
            for spec in (route.spec, getattr(route.spec, "start", None)):
                if isinstance(spec, StartFields):
                    yield route, spec

    def candidates(self, topic: str, event_type: str) -> Sequence[Route]:
        """Return the routes whose subject and type match, in the file's order."""
        return self._index.candidates(topic, event_type)

    def plan(
        self,
        topic: str,
        event: Event,
        generation: int = FIRST_GENERATION,
    ) -> Sequence[PlannedDispatch]:
        """Return the planned dispatches of an event that came on this topic; never raises."""
        return self.plan_by(self.candidates(topic, event.type), topic, event, generation)

    def plan_by(
        self,
        candidates: Sequence[Route],
        topic: str,
        event: Event,
        generation: int = FIRST_GENERATION,
    ) -> Sequence[PlannedDispatch]:
        """Return the planned dispatches of an event by these candidates; never raises."""
        if not candidates:
            return ()
        scope = self.scope(event, topic)
        verdicts = [
            self.verdict(route, topic, event, scope, generation) for route in candidates
        ]
        return [verdict.plan for verdict in verdicts if verdict.plan is not None]

    def explain(
        self,
        topic: str,
        event: Event,
        generation: int = FIRST_GENERATION,
    ) -> Sequence[RouteResult]:
        """Return the verdict of each route on an event, in the file's order; never raises."""
        scope = self.scope(event, topic)
        return [self.verdict(route, topic, event, scope, generation) for route in self.routes]

    def scope(self, event: Event, topic: str) -> EventScope:
        """Return the values of an event for expressions."""
        return EventScope(event, topic, self.sources.json_reader(event))

    def asked(
        self, topic: str, event: Event, which: Literal["none", "candidates", "all"]
    ) -> Sequence[Route]:
        """Return the routes to be evaluated for an event, in the file's order."""
        match which:
            case "none":
                return ()
            case "candidates":
                return self.candidates(topic, event.type)
            case "all":
                return self.routes

    def verdict(
        self, route: Route, topic: str, event: Event, scope: EventScope, generation: int
    ) -> RouteResult:
        """Return the verdict of one route on an event; never raises."""
        return _judge(route, topic, event, scope, generation)

    def with_sources(self, settings: Sequence[SourceSettings]) -> "RouteTable":
        """Return the same routes with other sources."""
        table = RouteTable(
            self.routes,
            self.schemas,
            Sources(settings, self.sources.type_prefix, self.sources.descriptors),
        )
        _ = table.definition  # computed here, in a thread
        return table

    @cached_property
    def definition(self) -> bytes:
        """The serialized table, from which `table_of` creates an equal one in another process."""
        file = RoutesFile(routes=self.routes)
        routes = file.model_dump_json(by_alias=True, exclude_defaults=True).encode()
        schemas = msgspec.json.encode(self.schemas.contents)
        parts = (routes, schemas, self.sources.definition)
        return msgspec.json.encode(_Definition(*map(msgspec.Raw, parts)))


class _Definition(msgspec.Struct, frozen=True):
    routes: msgspec.Raw
    schemas: msgspec.Raw
    sources: msgspec.Raw


def table_of(definition: bytes) -> RouteTable:
    """Return the table from its serialized definition."""
    parts = msgspec.json.decode(definition, type=_Definition)
    file = RoutesFile.model_validate_json(bytes(parts.routes))
    return RouteTable(
        file.routes,
        schemas_of(msgspec.json.decode(parts.schemas)),
        sources_of(bytes(parts.sources)),
    )


def failed_verdict(route: Route, event: Event, generation: int, reason: str) -> RouteResult:
    """Return the verdict of a route that matches but cannot plan: it becomes a dead letter."""
    dead = _dispatch(
        route,
        event,
        generation,
        key=str(event.uid),
        target="",
        call=b"{}",
        state="dead",
        error=reason,
    )
    return RouteResult(route=route.name, state="failed", reason=reason, plan=dead)


def request_id(event_uid: UUID, route: str, generation: int) -> UUID:
    """Return the request id of a dispatch; Temporal deduplicates its attempts by it."""
    return _REQUEST_IDS.uuid5(f"{event_uid}\n{route}\n{generation}")


def _judge(
    route: Route,
    topic: str,
    event: Event,
    scope: EventScope,
    generation: int,
) -> RouteResult:
    reason = mismatch(route, topic, event)
    if reason is not None:
        return RouteResult(route=route.name, state="not matched", reason=reason)
    try:
        if route.when is not None and not scope.truth(route.when):
            reason = f"when: {route.when.text} is false"
            return RouteResult(route=route.name, state="not matched", reason=reason)
        plan = _planned(route, event, scope, generation)
    except ExpressionError as error:
        reason = str(error)
    except MemoryError:
        reason = "its expressions need more memory than is available"
    except Exception as error:  # noqa: BLE001 - a bug of ours must not stop the other routes
        reason = f"unexplained: {error!r}"
    else:
        return RouteResult(route=route.name, state="matched", plan=plan)
    return failed_verdict(route, event, generation, reason)


def _planned(
    route: Route,
    event: Event,
    scope: EventScope,
    generation: int,
) -> PlannedDispatch:
    planned = route.operation.plan(route.spec, scope, route=route.name, uid=event.uid)
    _check_target(route, planned.target)
    key = planned.target if route.lane_key is None else scope.text(route.lane_key)
    _check_id("key", key)
    call = msgspec.json.encode(planned.call)
    if route.dataref == "fetch" and event.data is None and EXTENSION in event.extensions:
        call = fetching(call)
    if holds_nul(call):
        # The column is json, which takes it. But who searches in calls reads them as jsonb, which fails for all rows.
        raise ExpressionError(
            "the planned call contains a NUL character, which Postgres cannot read"
        )
    return _dispatch(
        route,
        event,
        generation,
        flow=_flow(route, event, scope, key, planned.target, call),
        key=key,
        target=planned.target,
        call=call,
        starts=planned.starts,
        wait_for=planned.wait_for,
    )


def _flow(
    route: Route, event: Event, scope: EventScope, key: str, target: str, call: bytes
) -> FlowPlan | None:
    window = None
    if route.window is not None:
        name = route.operation.name
        window = window_plan(
            route.window, scope, event, operation=name, key=key, target=target, call=call
        )
        _check_id("key of a window", window.key)
    slot = None if route.concurrency is None else route.concurrency.plan(scope)
    if slot is not None:
        _check_id("key of a slot", slot.key)
    return None if slot is None and window is None else FlowPlan(slot=slot, window=window)


def _dispatch(route: Route, event: Event, generation: int, **planned: Any) -> PlannedDispatch:
    """Return a dispatch with what follows from its route and event, and what was planned."""
    return PlannedDispatch(
        route=route.name,
        route_digest=route.digest,
        generation=generation,
        operation=route.operation.name,
        namespace=route.namespace or DEFAULT_NAMESPACE,
        request_id=request_id(event.uid, route.name, generation),
        give_up_attempts=route.give_up_after.attempts,
        give_up_seconds=route.give_up_after.age,
        **planned,
    )


def _check_target(route: Route, target: str) -> None:
    _check_id("workflow id", target)
    if route.only and not is_among(route.only, target):
        raise ExpressionError(
            f"the workflow id {target!r} is not among those that this route may touch "
            f"({', '.join(route.only)})",
        )


def _check_id(what: str, text: str) -> None:
    if not text.isprintable() or not 0 < len(text.encode()) <= MAX_ID:
        raise ExpressionError(
            f"{text[:80]!r} is not a valid {what}: it must have 1 to {MAX_ID} bytes of printable "
            "characters",
        )
