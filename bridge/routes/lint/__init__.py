"""What is wrong with a routes file, or will be a surprise one day; `lint` finds it all.

==============  ========  ===================================================================
code            level     what it means
==============  ========  ===================================================================
``invalid``     error     not a routes file: no YAML, schema, CEL, twins, names not allowed
``unreachable`` warning   no event can lead there: no source brings its subjects, its
                          condition is never true, its ``only`` excludes its own target
``overlap``     warning   an event that two routes take has the same effect twice
``no-only``     warning   the event says which workflow is touched, and nothing bounds it
``constant-id`` warning   every event starts the same workflow id: the first one wins
``unsafe``      warning   a policy that loses, repeats or ends what it should not
``reserved``    warning   a name that Temporal keeps for itself
``shared``      note      several routes take the same events, each with its own dispatch
``guard``       note      a condition that fails, rather than being false, without a field
``division``    note      a division that gives a whole number for some events
``renamed``     note      a key under its old name
``schema``      note      a schema whose type no route names
==============  ========  ===================================================================

`singly` holds what is found in one route, `jointly` what is found between them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from bridge.errors import RoutesError
from bridge.routes.lint.pairs import between_routes
from bridge.routes.lint.per_route import Finding, in_route
from bridge.routes.loading import Checked, check_routes
from bridge.routes.matching import is_prefix_or_equal
from bridge.routes.schemas import FOLDER, NO_SCHEMAS, load_schemas


def lint(path: Path, sources: Sequence[str] = ()) -> list[Finding]:
    """Return all that is found in a routes file and the schemas beside it, in the file's order.

    Args:
        path: The routes file.
        sources: The subject filters of what is taken in; none: not known.
    """
    schemas = NO_SCHEMAS
    findings: list[Finding] = []
    try:
        schemas = load_schemas(path.parent / FOLDER)
    except RoutesError as error:
        findings += _invalid(str(error).splitlines())
    try:
        checked = check_routes(path)
    except RoutesError as error:
        return [*_invalid(str(error).splitlines()), *findings]
    for fault in checked.faults:
        findings.append(Finding("error", "invalid", fault.what, place=fault.place))
    for index in range(len(checked.routes)):
        findings += in_route(checked, index, sources, schemas.types)
    findings += between_routes(checked)
    findings += _unused(checked, schemas.types)
    return sorted(findings, key=_order)


def _order(finding: Finding) -> tuple[bool, int, int]:
    place = finding.place
    return (True, 0, 0) if place is None else (False, place.line, place.column)


def _invalid(lines: Iterable[str]) -> list[Finding]:
    return [Finding("error", "invalid", line) for line in lines]


def _unused(checked: Checked, types: frozenset[str]) -> list[Finding]:
    return [
        Finding("note", "schema", f"no route names the type of the schema {name}")
        for name in sorted(types)
        if not any(is_prefix_or_equal(route.type, name) for route in checked.routes)
    ]
