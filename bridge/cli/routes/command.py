"""``ntbridge routes``: lists, checks, tests, explains and compares routes."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, note
from bridge.cli.exits import Exit
from bridge.cli.printer import ColumnsFlag, OutputFlag, Printer
from bridge.cli.replay.selection import EVERYTHING, EventFilter
from bridge.errors import RoutesError
from bridge.runtime.terminal import print_exact, print_json, print_text
from bridge.settings.schema import Settings

if TYPE_CHECKING:
    from bridge.routes.table import RouteTable

app = App(name="routes", help="List, check, test, explain and compare routes.")


@app.command
async def ls(
    *,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """List the routes, and which of them are paused, if a database is set.

    Parameters
    ----------
    output:
        table (in a terminal), ndjson (in a pipe), wide (all columns), json or yaml.
    """
    from bridge.cli.known_pauses import known_pauses
    from bridge.cli.routes.view import COLUMNS, route_row

    loaded = connect.load()
    table = table_in(loaded.settings)
    held = await known_pauses(loaded)
    rows = [route_row(route, held.routes.get(route.name)) for route in table.routes]
    Printer(output, COLUMNS, only=columns).all(rows)


@app.command
def lint(
    *,
    strict: bool = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Report errors and likely mistakes in the routes file.

    Exit code 1 when there are errors.

    Parameters
    ----------
    strict:
        Exit with 1 on warnings too.
    output:
        table, ndjson or json; default: lines like those of a compiler.
    """
    from bridge.cli.routes.view import finding_line, finding_row, summary
    from bridge.routes.lint import lint as find

    settings = connect.load().settings
    written = settings.intake.written_sources
    with suppress(RoutesError):  # one of the findings
        settings = settings.with_sources(table_in(settings).sources.settings)
    findings = find(
        settings.routes,
        _subjects(settings),
        written,
        settings.temporal.names,
        closures=settings.closures.enabled,
    )
    if output is None:
        for finding in findings:
            print_text(finding_line(settings.routes, finding))
    else:
        Printer(output).all(map(finding_row, findings))
    note(summary(findings))
    fatal = {"error", "warning"} if strict else {"error"}
    return exits.FAILED if any(each.level in fatal for each in findings) else exits.OK


@app.command(name="test")
def run_tests(*, connect: Connect = DEFAULT_CONNECT) -> int:
    """Run the tests beside the routes file (*_test.yaml).

    Exit code 1 if a test fails or there is none.
    """
    from bridge.cli.routes.view import outcome_lines
    from bridge.routes import route_tests

    settings = connect.load().settings
    path, table = settings.routes, table_in(settings)
    files = sorted(path.parent.glob(route_tests.PATTERN))
    if not files:
        raise Exit(exits.FAILED, f"no test file {route_tests.PATTERN} in {path.parent}")
    results = [result for file in files for result in route_tests.run_file(table, file)]
    for result in results:
        for line in outcome_lines(result):
            print_text(line)
    failed = sum(not result.passed for result in results)
    note(f"{len(results) - failed} passed, {failed} failed")
    return exits.FAILED if failed else exits.OK


@app.command
async def explain(
    *,
    file: Annotated[Path, Parameter(name=["--file", "-f"], allow_leading_hyphen=True)],
    topic: str | None = None,
    stream: str | None = None,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Show for each route what it would do with an event, or why it does not match.

    Parameters
    ----------
    file:
        A CloudEvent in JSON; - reads standard input. Id and source are optional. With --stream,
        the body of a message.
    topic:
        NATS subject of the event; default: derived from the type.
    stream:
        A source's stream: the event is what that source makes of the message.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from bridge.cli.events.compose import bytes_in, members_in
    from bridge.cli.routes.view import verdict_row
    from bridge.evaluation import Evaluator
    from bridge.jetstream.subjects import check_subject, topic_for
    from bridge.routes.given import event_from
    from bridge.sources import SourceMessage

    table = table_in(connect.load().settings)
    if stream is None:
        event = event_from(members_in(file))
        subject = check_subject(topic or topic_for(event.type))
    elif topic is None:
        raise Exit(exits.USAGE, "--stream needs the message's subject: --topic")
    else:
        subject = check_subject(topic)
        message = SourceMessage(
            topic=subject, payload=bytes_in(file), stream=stream, sequence=1, arrived_ns=0
        )
        event = table.sources.decoder(stream, subject).decode(message)
    async with Evaluator() as evaluator:
        violation = await evaluator.check(table, event)
        verdicts = await evaluator.explain(table, subject, event)
    if violation is not None:
        note(
            f"intake would not accept the event: it violates the schema of its type: {violation}"
        )
    printer = Printer(output, ("route", "state", "reason"), only=columns)
    printer.all(verdict_row(verdict, event) for verdict in verdicts)


@app.command
async def diff(
    new: Path,
    /,
    *,
    base: Path | None = None,
    route: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    samples: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=1000))] = 1,
    chosen: EventFilter = EVERYTHING,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Show what another routes file would do with the stored events. Calls nothing.

    Compares the file with the routes of the settings. Exit code 1 when something differs.

    Parameters
    ----------
    new:
        The other routes file. The schemas in the folder beside it apply.
    base:
        Compare with this routes file instead of that of the settings.
    route:
        Compare only these routes.
    samples:
        How many events of each route and change JSON and YAML show.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from bridge.cli.routes.diff import COLUMNS, DiffOptions, run

    chosen.check()
    options = DiffOptions(new=new, base=base, routes=route or (), samples=samples)
    settings = connect.load().settings
    return await run(settings, chosen, options, Printer(output, COLUMNS, only=columns))


@app.command
def graph(*, connect: Connect = DEFAULT_CONNECT) -> None:
    """Print the routes as a Mermaid flow chart."""
    from bridge.routes import mermaid

    print_exact(mermaid.draw(table_in(connect.load().settings).routes))


@app.command
def schema() -> None:
    """Print the JSON Schema of routes files, for editors."""
    from bridge.routes import json_schema

    print_json(json_schema.rendered().rstrip("\n"))


def table_in(settings: Settings) -> "RouteTable":
    """Return the routes of the settings' file, with all sources."""
    from bridge.routes.loading import load_routes

    return load_routes(
        settings.routes,
        settings.intake.written_sources,
        settings.type_prefix,
        settings.temporal.names,
        closures=settings.closures.enabled,
    )


def _subjects(settings: Settings) -> Sequence[str]:
    """Return the subjects of the sources; none if a source is not one of the bridge's streams."""
    from bridge.jetstream.own_streams import used_streams

    known = {plan.name: plan.subjects for plan in used_streams(settings)}
    found: list[str] = []
    for source in settings.intake.sources:
        subjects = [source.subject] if source.subject else known.get(source.stream)
        if subjects is None:
            return ()
        found += subjects
    return found
