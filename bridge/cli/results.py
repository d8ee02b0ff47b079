"""``ntbridge results``: follows result events."""

from cyclopts import App

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, note, point_in_time
from bridge.cli.exits import Exit
from bridge.cli.printer import OutputFlag, Printer

app = App(name="results", help="Follow result events.")


@app.command
async def watch(
    *,
    correlation: str | None = None,
    type: str | None = None,  # noqa: A002 - the attribute's name
    workflow: str | None = None,
    where: str | None = None,
    since: str | None = None,
    until_closed: bool = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Show result events as they are published, until Ctrl-C.

    With --since, stored events come first and live ones follow, without gap or repeat. A lost
    connection is restored.

    Parameters
    ----------
    correlation:
        Only those with this correlation id: the id of the first event of the chain.
    type:
        Only those of this CloudEvents type; end a prefix with *.
    workflow:
        Only those of workflows of this type or with this workflow id.
    where:
        Only those for which this CEL expression over event and data is true, as in routes.
    since:
        Start in the past: 10m, 1h30m (ago) or an ISO 8601 time.
    until_closed:
        Stop at the first event that reports the end of a run: exit 0 if the run completed, else 1.
    output:
        table (in a terminal) or ndjson (in a pipe): one CloudEvent a line.
    """
    from bridge import results
    from bridge.cli.events.view import COLUMNS, event_row
    from bridge.errors import ExpressionError

    printer = Printer(output, COLUMNS)
    last: results.Result | None = None
    try:
        async for last in results.watch(
            correlation=correlation,
            type=type,
            workflow=workflow,
            where=where,
            since=point_in_time(since),
            until_closed=until_closed,
            settings=connect.settings(),
            say=note,
        ):
            printer.stream(event_row(last.event, last.topic))
    except ExpressionError as error:
        raise Exit(exits.USAGE, f"--where: {error}") from error
    return exits.FAILED if last is None or last.failed else exits.OK
