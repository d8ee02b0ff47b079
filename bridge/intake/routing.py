"""Routes: which event leads to which Temporal operation. Pure decisions, no I/O.

A route matches by the subject an event came in on and by its type. What a match plans is
computed here once and recorded with the event; dispatch only carries it out.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

import msgspec
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bridge.errors import RoutesError, SubjectError
from bridge.subjects import check_filter, matches
from eventstore.events import Event

REQUEST_NAMESPACE = UUID("0b6c3c1e-5f0c-5d0a-8d53-3a1e7c2f9b11")
"""The UUIDv5 namespace of request ids; part of the contract, never to be changed."""

FIRST_GENERATION = 1


def _subject_filter(value: str) -> str:
    try:
        return check_filter(value)
    except SubjectError as error:
        raise ValueError(str(error)) from None


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StartSpec(_Model):
    """Start a workflow, once for each event, with the event's data as its argument."""

    workflow: str = Field(min_length=1, max_length=1000)
    task_queue: str = Field(min_length=1, max_length=1000)


class Route(_Model):
    """Events on ``from`` with this ``type``, if given, lead to one operation."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$")
    subject: Annotated[str, AfterValidator(_subject_filter)] = Field(alias="from")
    type: str | None = Field(None, min_length=1)
    start: StartSpec

    @property
    def digest(self) -> bytes:
        """SHA-256 (32 bytes) of what the route says, to tell one revision from another."""
        return sha256(self.model_dump_json(by_alias=True).encode()).digest()


class _RoutesFile(_Model):
    routes: tuple[Route, ...]


class PlannedDispatch(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the plan: this event, by this route, to this target."""

    route: str
    route_digest: bytes
    generation: int
    operation: Literal["start"]
    key: str
    target: str
    """The workflow id."""
    request_id: UUID
    spec: bytes
    """JSON: what the operation needs besides the target; see `StartSpec`."""


class RouteTable:
    """Routes, indexed by type and then by subject."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._by_type: dict[str | None, list[Route]] = defaultdict(list)
        for route in self.routes:
            self._by_type[route.type].append(route)

    def match(self, topic: str, event: Event) -> list[Route]:
        """Return the routes that an event on this topic follows."""
        candidates = [*self._by_type.get(event.type, ()), *self._by_type.get(None, ())]
        return [route for route in candidates if matches(route.subject, topic)]

    def plan(self, topic: str, event: Event) -> list[PlannedDispatch]:
        """Return what is to be dispatched for an event on this topic."""
        return [_plan(route, event.uid) for route in self.match(topic, event)]


def request_id(event_uid: UUID, route: str, generation: int) -> UUID:
    """Return the key that makes one dispatch happen once, however often it is tried."""
    return uuid5(REQUEST_NAMESPACE, f"{event_uid}\n{route}\n{generation}")


def load_routes(path: Path) -> RouteTable:
    """Read and check a routes file.

    Raises:
        RoutesError: It cannot be read or says something that is not a route.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RoutesError(
            f"the routes file {path} does not exist; name one with --routes or NTBRIDGE_ROUTES",
        ) from None
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise RoutesError(f"the routes file {path} cannot be read: {error}") from error
    return RouteTable(_check(path, content))


def _check(path: Path, content: Any) -> Sequence[Route]:
    try:
        routes = _RoutesFile.model_validate(content).routes
    except ValidationError as error:
        faults = "; ".join(
            f"{_place(content, fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise RoutesError(f"the routes file {path} is wrong: {faults}") from None
    names = [route.name for route in routes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RoutesError(f"the routes file {path} has two routes named {', '.join(twice)}")
    return routes


def _place(content: Any, location: tuple[int | str, ...]) -> str:
    """Name the faulty place by the route's name, which a reader finds sooner than an index."""
    parts = [str(part) for part in location]
    match location:
        case ("routes", int(index), *rest):
            try:
                name = content["routes"][index]["name"]
            except (KeyError, TypeError):
                name = f"number {index + 1}"
            return f"route {name!r}, {'.'.join(str(part) for part in rest) or 'as a whole'}"
        case _:
            return ".".join(parts) or "the file"


def _plan(route: Route, event_uid: UUID) -> PlannedDispatch:
    target = f"{route.name}/{event_uid}"
    return PlannedDispatch(
        route=route.name,
        route_digest=route.digest,
        generation=FIRST_GENERATION,
        operation="start",
        key=target,
        target=target,
        request_id=request_id(event_uid, route.name, FIRST_GENERATION),
        spec=route.start.model_dump_json().encode(),
    )
