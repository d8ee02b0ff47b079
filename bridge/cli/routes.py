"""``ntbridge routes``: looking at routes, checking, testing and explaining them. No servers."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, OutputFlag, Printer, note
from bridge.cli.exits import Exit
from bridge.config import Settings
from bridge.errors import BridgeError
from bridge.routes import cases, drawing, editors
from bridge.routes.lint import lint as find
from bridge.routes.lint.finding import Finding, Level
from bridge.routes.lint.singly import target_of
from bridge.routes.loading import load_routes
from bridge.routes.model import Route
from bridge.routes.table import Verdict
from bridge.subjects import check_subject, topic_for
from eventstore.events import Event

app = App(name="routes", help="Look at routes, check, test and explain them.")

_LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@app.command
def ls(*, output: OutputFlag = None, connect: Connect = DEFAULT_CONNECT) -> None:
    """List the routes.

    Parameters
    ----------
    output:
        table (in a terminal), ndjson (in a pipe) or json.
    """
    table = load_routes(connect.load().settings.routes)
    Printer(output).all(map(_row, table.routes))


@app.command
def lint(
    *,
    strict: bool = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Say what is wrong with the routes file, and what will be a surprise one day.

    Exit code 1 when there are errors.

    Parameters
    ----------
    strict:
        Warnings make it fail too.
    output:
        table, ndjson or json; by default lines as compilers print them.
    """
    settings = connect.load().settings
    findings = find(settings.routes, _sources(settings))
    if output is None:
        for finding in findings:
            print(_line(settings.routes, finding))
    else:
        Printer(output).all(_finding_row(finding) for finding in findings)
    counts = Counter(finding.level for finding in findings)
    note(", ".join(f"{counts[level]} {level}s" for level in _LEVELS))
    failed = counts["error"] or (strict and counts["warning"])
    return exits.FAILED if failed else exits.OK


@app.command(name="test")
def run_tests(*, connect: Connect = DEFAULT_CONNECT) -> int:
    """Run the tests beside the routes file (*_test.yaml).

    Exit code 1 when one fails, or when there are none.
    """
    path = connect.load().settings.routes
    table = load_routes(path)
    files = sorted(path.parent.glob(cases.PATTERN))
    if not files:
        raise Exit(exits.FAILED, f"there is no {cases.PATTERN} in {path.parent}")
    results = [result for file in files for result in cases.run_file(table, file)]
    for result in results:
        print(f"{'ok    ' if result.passed else 'FAILED'} {result.name}")
        if not result.passed:
            line = result.place.line if result.place else 1
            print(f"       {result.file}:{line}")
            print(
                "".join(f"       {each}\n" for each in result.difference.splitlines()), end=""
            )
    failed = sum(not result.passed for result in results)
    note(f"{len(results) - failed} passed, {failed} failed")
    return exits.FAILED if failed else exits.OK


@app.command
def explain(
    *,
    file: Annotated[Path, Parameter(name=["--file", "-f"], allow_leading_hyphen=True)],
    topic: str | None = None,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Say of each route whether it takes an event, what it would do, or why it does not.

    Parameters
    ----------
    file:
        A CloudEvent in JSON; - reads standard input. Id and source may be left out.
    topic:
        The subject it comes on; by default it follows from the type.
    output:
        table (in a terminal), ndjson (in a pipe) or json.
    """
    table = load_routes(connect.load().settings.routes)
    event = _event(file)
    violation = table.schemas.check(event)
    if violation is not None:
        note(f"it would not be taken in, for it violates the schema of its type: {violation}")
    verdicts = table.explain(check_subject(topic or topic_for(event.type)), event)
    printer = Printer(output, ("route", "state", "reason"))
    printer.all(verdict_row(verdict, event) for verdict in verdicts)


@app.command
def graph(*, connect: Connect = DEFAULT_CONNECT) -> None:
    """Print the routes as a Mermaid flow chart."""
    print(drawing.draw(load_routes(connect.load().settings.routes).routes))


@app.command
def schema() -> None:
    """Print the JSON Schema of routes files, for editors."""
    print(editors.rendered(), end="")


def verdict_row(verdict: Verdict, event: Event) -> dict[str, Any]:
    """Return what a route makes of an event as a row to print."""
    row: dict[str, Any] = {
        "route": verdict.route,
        "state": verdict.state,
        "reason": verdict.reason,
    }
    if verdict.plan is None or verdict.state == "failed":
        return row
    plan = cases.shown(verdict.plan, event)
    return {**row, "reason": f"{plan['operation']} {plan['id']}", "plan": plan}


def _event(file: Path) -> Event:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        members = msgspec.json.decode(content)
    except OSError as error:
        raise BridgeError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise BridgeError(f"{file} is no JSON: {error}") from error
    if not isinstance(members, dict):
        raise BridgeError(f"{file} must hold one CloudEvent, a JSON object")
    return cases.event_from(members)


def _sources(settings: Settings) -> Sequence[str]:
    """Return the subjects that are taken in, none when one source is a stream not our own."""
    from bridge.jetstream import STREAMS

    known = {plan.name: plan.subjects for plan in STREAMS}
    found: list[str] = []
    for source in settings.intake.sources:
        subjects = [source.subject] if source.subject else known.get(source.stream)
        if subjects is None:
            return ()
        found += subjects
    return found


def _row(route: Route) -> dict[str, Any]:
    _, target = target_of(route)
    return {
        "route": route.name,
        "from": route.subject,
        "type": route.type,
        "when": None if route.when is None else route.when.text,
        "operation": " ".join(_operation(route)),
        "id": f"{route.name}/<uid>" if target is None else target.text,
        "only": ", ".join(route.only) or None,
    }


def _operation(route: Route) -> Iterator[str]:
    yield route.operation.name
    for field in ("workflow", "signal", "update"):
        name = getattr(route.spec, field, None)
        if name is not None:
            yield name


def _line(path: Path, finding: Finding) -> str:
    place = f":{finding.place.line}:{finding.place.column}" if finding.place else ""
    route = f"route {finding.route!r}: " if finding.route else ""
    # What could not be read at all names its file itself.
    where = "" if finding.code == "invalid" and not finding.place else f"{path}{place}: "
    return f"{where}{finding.level}: {route}{finding.what} [{finding.code}]"


def _finding_row(finding: Finding) -> dict[str, Any]:
    return {
        "level": finding.level,
        "code": finding.code,
        "route": finding.route,
        "line": finding.place.line if finding.place else None,
        "column": finding.place.column if finding.place else None,
        "what": finding.what,
    }
