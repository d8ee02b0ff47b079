"""Output of routes, lint findings, test results and explanations."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bridge.cli.printer import Column
from bridge.pauses import Pause
from bridge.routes import route_tests
from bridge.routes.lint.per_route import Level, LintFinding, target_of
from bridge.routes.model import Route
from bridge.routes.table import RouteResult
from eventstore.events import Event

_LEVELS: tuple[Level, ...] = ("error", "warning", "note")


COLUMNS = (
    Column("route"),
    Column("from"),
    Column("operation"),
    Column("paused", of=lambda row: row["paused"] and row["paused"].shown),
    Column("type", wide=True),
    Column("when", wide=True),
    Column("namespace", wide=True),
    Column("id", wide=True),
    Column("only", wide=True),
    Column("rate", wide=True),
    Column("max_in_flight", wide=True),
)
"""The columns of a list of routes."""


def route_row(route: Route, pause: Pause | None) -> dict[str, Any]:
    """Return a route as a row to print."""
    _, target = target_of(route)
    return {
        "route": route.name,
        "from": route.subject,
        "type": route.type,
        "when": None if route.when is None else route.when.text,
        "operation": " ".join(_operation(route)),
        "namespace": route.namespace,
        "id": f"{route.name}/<uid>" if target is None else target.text,
        "only": ", ".join(route.only) or None,
        "rate": None if route.rate is None else route.rate.shown,
        "max_in_flight": None if route.max_in_flight is None else route.max_in_flight.shown,
        "paused": pause,
    }


def _operation(route: Route) -> Iterator[str]:
    yield route.operation.name
    for field in ("workflow", "signal", "update"):
        name = getattr(route.spec, field, None)
        if name is not None:
            yield name


def finding_line(path: Path, finding: LintFinding) -> str:
    """Return a finding as a line like that of a compiler."""
    place = f":{finding.place.line}:{finding.place.column}" if finding.place else ""
    route = f"route {finding.route!r}: " if finding.route else ""
    # The message of an unreadable file already names it.
    where = "" if finding.code == "invalid" and not finding.place else f"{path}{place}: "
    return f"{where}{finding.level}: {route}{finding.what} [{finding.code}]"


def finding_row(finding: LintFinding) -> dict[str, Any]:
    """Return a finding as a row to print."""
    return {
        "level": finding.level,
        "code": finding.code,
        "route": finding.route,
        "line": finding.place.line if finding.place else None,
        "column": finding.place.column if finding.place else None,
        "what": finding.what,
    }


def summary(findings: Iterable[LintFinding]) -> str:
    """Return the number of findings of each level."""
    counts = Counter(finding.level for finding in findings)
    return ", ".join(f"{counts[level]} {level}s" for level in _LEVELS)


def outcome_lines(result: route_tests.RouteTestResult) -> Iterator[str]:
    """Yield the outcome of a test; for a failure, its place and the difference."""
    yield f"{'ok    ' if result.passed else 'FAILED'} {result.name}"
    if not result.passed:
        yield f"       {result.file}:{result.place.line if result.place else 1}"
        yield from (f"       {line}" for line in result.difference.splitlines())


def verdict_row(verdict: RouteResult, event: Event) -> dict[str, Any]:
    """Return a route's verdict on an event as a row to print."""
    row: dict[str, Any] = {
        "route": verdict.route,
        "state": verdict.state,
        "reason": verdict.reason,
    }
    if verdict.plan is None or verdict.state == "failed":
        return row
    plan = route_tests.shown(verdict.plan, event)
    return {**row, "reason": f"{plan['operation']} {plan['id']}", "plan": plan}
