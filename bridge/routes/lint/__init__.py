"""Lint of routes files: errors, and routes that are valid but likely wrong.

==============  ========  ===================================================================
code            level     meaning
==============  ========  ===================================================================
``invalid``     error     invalid YAML, schema or CEL, duplicate or forbidden names
``unreachable`` warning   no event can match: no source covers the subject, the condition is
                          never true, or ``only`` excludes the route's own target
``overlap``     warning   two routes can have the same effect on one event
``no-only``     warning   the event chooses the workflow id, and nothing limits it
``constant-id`` warning   every event starts the same workflow id; only the first succeeds
``unsafe``      warning   a policy that can lose, repeat or end a run by mistake
``reserved``    warning   a name that Temporal reserves
``shared``      note      several routes match the same events, each with its own dispatch
``guard``       note      a condition that fails, instead of being false, without a field
``division``    note      a division that rounds to an integer for some events
``endless``     note      a debounce that events can put off for ever
``renamed``     note      a key under its old name
``schema``      note      a route's type without a schema, and a schema of almost its name
==============  ========  ===================================================================

`per_route` checks single routes, `pairs` checks pairs of routes.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

from bridge.errors import RoutesError
from bridge.routes.lint.pairs import between_routes
from bridge.routes.lint.per_route import LintFinding, in_route
from bridge.routes.loading import CheckedFile, check_routes
from bridge.routes.matching import is_prefix_or_equal
from bridge.routes.schemas import FOLDER, NO_SCHEMAS, load_schemas
from bridge.settings.source_settings import DEFAULT_SOURCES, SettingsSources


def lint(
    path: Path,
    sources: Sequence[str] = (),
    written: SettingsSources = DEFAULT_SOURCES,
    namespaces: Sequence[str] | None = None,
    *,
    closures: bool = True,
) -> list[LintFinding]:
    """Return all findings in a routes file and the schemas in its folder, in the file's order.

    Args:
        path: The routes file.
        sources: The subject filters of the sources; empty if not known.
        written: The sources in the settings.
        namespaces: The namespaces that routes can name; see `load_routes`.
        closures: Whether the ends of runs are recorded; see `load_routes`.
    """
    schemas = NO_SCHEMAS
    findings: list[LintFinding] = []
    try:
        schemas = load_schemas(path.parent / FOLDER)
    except RoutesError as error:
        findings += _invalid(str(error).splitlines())
    try:
        checked = check_routes(path, written, namespaces, closures=closures)
    except RoutesError as error:
        return [*_invalid(str(error).splitlines()), *findings]
    for fault in checked.faults:
        findings.append(LintFinding("error", "invalid", fault.what, place=fault.place))
    for index in range(len(checked.routes)):
        findings += in_route(checked, index, sources, schemas.types)
    findings += between_routes(checked)
    findings += _misspelt(checked, schemas.types)
    return sorted(findings, key=_order)


def _order(finding: LintFinding) -> tuple[bool, int, int]:
    place = finding.place
    return (True, 0, 0) if place is None else (False, place.line, place.column)


def _invalid(lines: Iterable[str]) -> list[LintFinding]:
    return [LintFinding("error", "invalid", line) for line in lines]


def _misspelt(checked: CheckedFile, types: frozenset[str]) -> list[LintFinding]:
    """Find schemas that no route names, and that are called almost as a route's type without one.

    Schemas of other types are no fault: they check what the command line publishes, and events
    that no route is for.
    """
    named = {route.type for route in checked.routes if route.type}
    unused = [
        name for name in types if not any(is_prefix_or_equal(each, name) for each in named)
    ]
    return [
        LintFinding("note", "schema", f"no schema is for the type {name}; is {close} meant?")
        for name in sorted(named - types)
        for close in get_close_matches(name, unused, 1, _ALIKE)
    ]


_ALIKE = 0.9
