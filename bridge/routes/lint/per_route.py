"""Checks single routes. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bridge.cel import CelExpression, EventScope, syntax
from bridge.errors import ExpressionError
from bridge.jetstream.subjects import may_meet
from bridge.operations.base import SpecModel
from bridge.operations.targets import OLD_NAME
from bridge.routes.loading import CheckedFile, Location
from bridge.routes.matching import may_begin_like
from bridge.routes.model import Route
from bridge.routes.positions import Place
from eventstore.events import Event

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One finding of the lint: level, code, text, route and place."""

    level: Level
    code: str
    what: str
    route: str | None = None
    place: Place | None = None


_NOTES = frozenset({"guard", "division", "endless", "renamed"})
_PLACEHOLDER_EVENT = Event(id="-", source="-", type="-")
_NOT_CHOSEN = frozenset({"event.uid"})
"""Paths whose value a publisher cannot choose freely."""
_FEW_ATTEMPTS = 2
_ALLOW_REUSE = ("allow-duplicate", "allow-failed-only")
_RESERVED = {
    "workflow": ("temporal-sys", "__temporal"),
    "task_queue": ("temporal-sys", "/_sys/", "__temporal"),
    "signal": ("__temporal", "__stack_trace", "__enhanced_stack_trace"),
    "update": ("__temporal", "__stack_trace", "__enhanced_stack_trace"),
}
_RESERVED_IDS = "temporal-sys-"
_UNSAFE = {
    ("id_conflict_policy", "terminate-existing"): (
        "it ends an open run that another event or a person started with this id"
    ),
    ("when_missing", "drop"): (
        "an event whose target workflow does not run is dropped without a dead letter"
    ),
    ("bare", True): "the receiver cannot distinguish a repeat from a second signal",
}

Found = tuple[str, str, Location]
"""Code, text, and where in the route."""


def in_route(
    checked: CheckedFile,
    index: int,
    sources: Sequence[str],
    schemas: Collection[str],
) -> Iterator[LintFinding]:
    """Yield the findings of one route."""
    route = checked.routes[index]
    for code, what, location in (
        *_unreachable(route, sources),
        *_target(route),
        *_policies(route),
        *_reserved(route),
        *_guards(route, schemas),
        *_divisions(route),
        *_renamed(checked, index),
        *_endless(route),
    ):
        level: Level = "note" if code in _NOTES else "warning"
        place = checked.place(index, *location)
        yield LintFinding(level, code, what, route.name, place)


def target_of(route: Route) -> tuple[str, CelExpression | None]:
    """Return the field that gives the workflow id, and its expression."""
    field = "id" if route.start is not None else "workflow_id"
    expression: CelExpression | None = getattr(route.spec, field)
    return field, expression


def _unreachable(route: Route, sources: Sequence[str]) -> Iterator[Found]:
    if sources and not any(may_meet(source, route.subject) for source in sources):
        covered = ", ".join(sources)
        what = f"no source covers {route.subject!r}; the sources are {covered}"
        yield "unreachable", what, ("from",)
    if route.when is not None and _is_never_true(route.when):
        yield "unreachable", f"{route.when.text} is never true", ("when",)
    _, target = target_of(route)
    prefix = f"{route.name}/" if target is None else syntax.literal_prefix(target.tree)
    if route.only and not any(may_begin_like(pattern, prefix) for pattern in route.only):
        what = f"only: no pattern matches a workflow id that begins with {prefix!r}"
        yield "unreachable", what, ("only",)


def _is_never_true(condition: CelExpression) -> bool:
    if syntax.paths(condition.tree):
        return False
    try:
        return not EventScope(_PLACEHOLDER_EVENT, "-").truth(condition)
    except ExpressionError:
        return True


def _target(route: Route) -> Iterator[Found]:
    field, target = target_of(route)
    if target is None:
        return
    where = (route.operation.name, field)
    reads = syntax.paths(target.tree)
    prefix = syntax.literal_prefix(target.tree)
    if route.start is not None and not reads:
        what = "the same for every event: the first one starts it, all others fail"
        yield "constant-id", what, where
    theirs = ", ".join(sorted(reads - _NOT_CHOSEN))
    if theirs and not prefix and not route.only:
        what = (
            f"the event chooses the workflow ({theirs}), and nothing limits it: add 'only', or "
            "begin the id with a constant text"
        )
        yield "no-only", what, where


def _policies(route: Route) -> Iterator[Found]:
    operation = route.operation.name
    for (field, value), why in _UNSAFE.items():
        if getattr(route.spec, field, None) == value:
            shown = str(value).lower() if isinstance(value, bool) else value
            yield "unsafe", f"{field}: {shown}: {why}", (operation, field)
    start = route.start
    if start is not None and start.id is not None and start.id_reuse_policy in _ALLOW_REUSE:
        what = f"id_reuse_policy: {start.id_reuse_policy}: each event may start the id again"
        yield "unsafe", what, (operation, "id_reuse_policy")
    attempts = route.give_up_after.attempts
    if attempts is not None and attempts <= _FEW_ATTEMPTS:
        what = f"give_up_after: a restart of Temporal takes longer than {attempts} attempts"
        yield "unsafe", what, ("give_up_after", "attempts")


def _endless(route: Route) -> Iterator[Found]:
    if route.debounce is not None and route.debounce.at_most is None:
        what = "events that keep coming put off the call for ever: add at_most"
        yield "endless", what, ("debounce",)


def _reserved(route: Route) -> Iterator[Found]:
    for location, name, value in _texts(route.spec, (route.operation.name,)):
        if value.startswith(_RESERVED.get(name, ())):
            yield "reserved", f"Temporal reserves the name {value!r}", location
    field, target = target_of(route)
    if target is not None and syntax.literal_prefix(target.tree).startswith(_RESERVED_IDS):
        what = f"Temporal reserves workflow ids that begin with {_RESERVED_IDS!r}"
        yield "reserved", what, (route.operation.name, field)


def _renamed(checked: CheckedFile, index: int) -> Iterator[Found]:
    operation = checked.routes[index].operation.name
    if OLD_NAME in checked.document.content["routes"][index][operation]:
        what = f"{OLD_NAME} is now called when_missing; the old name means the same"
        yield "renamed", what, (operation, OLD_NAME)


def _texts(spec: SpecModel, location: Location) -> Iterator[tuple[Location, str, str]]:
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, SpecModel):
            yield from _texts(value, (*location, name))
        elif isinstance(value, str):
            yield (*location, name), name, value


def _guards(route: Route, schemas: Collection[str]) -> Iterator[Found]:
    if route.when is None or route.type in schemas:
        return
    fields = sorted(syntax.unguarded(route.when.tree))
    if fields:
        what = (
            f"this fails on an event without {', '.join(fields)} and causes a dead letter; write "
            f"has({fields[0]}) && … to ignore such events"
        )
        yield "guard", what, ("when",)


def _divisions(route: Route) -> Iterator[Found]:
    for location, expression in route.expressions():
        field = syntax.whole_division(expression.tree)
        if field is not None:
            what = (
                f"{field} / n is an integer division if {field} is an integer (5 / 2 is 2, but "
                f"5.0 / 2 is 2.5): write double({field}) / n, or int({field}) / n"
            )
            yield "division", what, location
