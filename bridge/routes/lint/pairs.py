"""Checks pairs of routes: events that several routes match. Pure."""

from collections.abc import Iterator
from itertools import combinations

from bridge.cel import syntax
from bridge.jetstream.subjects import may_meet
from bridge.routes.lint.per_route import LintFinding, target_of
from bridge.routes.loading import CheckedFile
from bridge.routes.model import Route


def between_routes(checked: CheckedFile) -> Iterator[LintFinding]:
    """Find routes that match the same events, and whether an effect happens twice."""
    shared: dict[int, list[str]] = {}
    for (first, one), (second, other) in combinations(enumerate(checked.routes), 2):
        if not may_share(one, other):
            continue
        twice = _same_effect(one, other)
        if twice is None:
            shared.setdefault(first, []).append(other.name)
            continue
        place = checked.place(second, "name")
        yield LintFinding(
            "warning", "overlap", f"{twice}: see route {one.name!r}", other.name, place
        )
    for index, names in shared.items():
        what = f"its events may also match {', '.join(names)}"
        route = checked.routes[index]
        yield LintFinding("note", "shared", what, route.name, checked.place(index, "name"))


def may_share(one: Route, other: Route) -> bool:
    """Return whether some event may match both; False only if that is certain."""
    return (
        may_meet(one.subject, other.subject)
        and _may_be_both(one.type, other.type)
        and _may_be_both(one.source, other.source)
        and not _differ(dict(one.extensions), dict(other.extensions))
        and not _differ(_demands(one), _demands(other))
    )


def _may_be_both(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return True
    match one.endswith("*"), other.endswith("*"):
        case True, True:
            return one[:-1].startswith(other[:-1]) or other[:-1].startswith(one[:-1])
        case True, False:
            return other.startswith(one[:-1])
        case False, True:
            return one.startswith(other[:-1])
        case _:
            return one == other


def _demands(route: Route) -> dict[str, object]:
    return {} if route.when is None else dict(syntax.equalities(route.when.tree))


def _differ(
    one: dict[str, object] | dict[str, str], other: dict[str, object] | dict[str, str]
) -> bool:
    return any(name in other and other[name] != value for name, value in one.items())


def _same_effect(one: Route, other: Route) -> str | None:
    if one.namespace != other.namespace:
        return None
    if one.start is not None and other.start is not None:
        if one.start.id is not None and one.start.id == other.start.id:
            return "an event may start two workflows with the same id; the second start fails"
        if one.start.workflow == other.start.workflow:
            return f"an event may start {one.start.workflow} twice"
    elif one.operation is other.operation and target_of(one) == target_of(other):
        operation = one.operation.name
        name = getattr(one.spec, operation, "")
        if name == getattr(other.spec, operation, ""):
            words = " ".join(filter(None, (operation.replace("_", " "), name)))
            return f"an event may {words} the same workflow twice"
    return None
