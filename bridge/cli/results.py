"""``ntbridge results``: what the pipelines tell."""

from cyclopts import App

from bridge.cli.common import (
    DEFAULT_CONNECT,
    Connect,
    OutputFlag,
    Printer,
    note,
    point_in_time,
)

app = App(name="results", help="Follow result events.")


@app.command
async def watch(
    *,
    correlation: str | None = None,
    type: str | None = None,  # noqa: A002 - the attribute's name
    since: str | None = None,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Show result events as they are published, until Ctrl-C.

    Parameters
    ----------
    correlation:
        Only those with this correlation id: the id of the event that began it all.
    type:
        Only those of this CloudEvents type.
    since:
        Begin in the past: 10m, 2h (ago) or an ISO 8601 time.
    output:
        table (in a terminal) or ndjson (in a pipe): one CloudEvent a line.
    """
    from bridge.cli.rendering import COLUMNS, event_row
    from bridge.jetstream import connect_once
    from bridge.outbound.results import Results

    settings = connect.settings()
    client = await connect_once(settings.nats, "ntbridge results watch")
    printer = Printer(output, COLUMNS)
    try:
        results = Results(client, settings.nats, settings.relay.stream)
        events = await results.open(point_in_time(since))
        note("listening for result events; Ctrl-C ends")
        async for result in events:
            if correlation not in (None, result.correlation_id):
                continue
            if type not in (None, result.event.type):
                continue
            printer.stream(event_row(result.event, result.topic))
    finally:
        await client.close()
