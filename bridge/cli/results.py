"""``ntbridge results``: what the pipelines tell."""

from cyclopts import App

from bridge.cli import exits
from bridge.cli.common import (
    DEFAULT_CONNECT,
    Connect,
    OutputFlag,
    Printer,
    note,
    point_in_time,
)
from bridge.cli.exits import Exit

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

    With --since those in the event store come first, and go over into the live ones without gap
    or repeat. A lost connection is made anew.

    Parameters
    ----------
    correlation:
        Only those with this correlation id: the id of the event that began it all.
    type:
        Only those of this CloudEvents type; a prefix ends with *.
    workflow:
        Only those of workflows of this type, or of this workflow id.
    where:
        Only those for which this holds: CEL over event and data, as in routes.
    since:
        Begin in the past: 10m, 2h (ago) or an ISO 8601 time.
    until_closed:
        End with the first that tells the end of a run: exit 0 if it completed, 1 if not.
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
