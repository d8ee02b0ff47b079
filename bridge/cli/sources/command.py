"""``ntbridge sources``: lists the sources, and shows what their messages become."""

from typing import Annotated

from cyclopts import App, Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, note
from bridge.cli.printer import Column, ColumnsFlag, OutputFlag, Printer

app = App(name="sources", help="List the sources; show what their messages become.")

_MAX_LAST = 1000
_COUNTED = (
    Column("stream"),
    Column("subject"),
    Column("type"),
    Column("messages", cuts=False),
    Column("counted_at", "last", kind="age", cuts=False),
    Column("first", wide=True),
    Column("through", wide=True),
)


def _between(_: object, value: int) -> None:
    if not 1 <= value <= _MAX_LAST:
        raise ValueError(f"must be between 1 and {_MAX_LAST}")


@app.command
async def ls(
    *,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """List the sources of the settings and the routes file, and which are paused, if a database is set.

    Parameters
    ----------
    output:
        table (in a terminal), ndjson (in a pipe), wide (all columns), json or yaml.
    """
    from bridge.cli.known_pauses import known_pauses
    from bridge.cli.sources.view import SOURCE_COLUMNS, source_row
    from bridge.routes.loading import load_routes

    loaded = connect.load()
    settings = loaded.settings
    written = settings.intake.written_sources
    if settings.routes.exists():
        table = load_routes(settings.routes, written, settings.type_prefix)
        settings = settings.with_sources(table.sources.settings)
    else:
        note(f"the routes file {settings.routes} does not exist")
    held = await known_pauses(loaded)
    Printer(output, SOURCE_COLUMNS, only=columns).all(
        source_row(each, held.sources.get(each.name)) for each in settings.intake.sources
    )


@app.command
async def counted(
    stream: str | None = None,
    *,
    limit: Annotated[int, Parameter(validator=_between)] = 100,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """List how many messages no route wanted, of sources with ``unmatched: count``.

    Parameters
    ----------
    stream:
        Only those of this stream.
    limit:
        Maximum number of rows, by subject and type, most frequent first.
    output:
        table (in a terminal), ndjson (in a pipe), wide (all columns), json or yaml.
    """
    from bridge.sql import STATEMENTS
    from bridge.sql.storage import open_store

    async with open_store(connect.settings(), "ntbridge sources counted") as (database, _):
        rows = await database.fetch(STATEMENTS["counted_messages"], stream, limit)
        now = await database.fetchval(STATEMENTS["now"])
    Printer(output, _COUNTED, only=columns, now=now).all(dict(row) for row in rows)


@app.command(name="test")
async def try_out(
    stream: str,
    *,
    subject: str | None = None,
    last: Annotated[int, Parameter(validator=_between)] = 20,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Show what the last messages of a source would become, and which routes match.

    Records, dispatches and acknowledges nothing, and does not use the source's consumer. Exit code
    1 if a message would be a dead letter.

    Parameters
    ----------
    stream:
        The stream of the source.
    subject:
        The source's subject, if the stream has several sources.
    last:
        Number of messages.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml; all but tables show the whole
        events.
    """
    from bridge.cli.sources.trial import tried
    from bridge.cli.sources.view import COLUMNS, summary, tried_row

    found = [each async for each in tried(connect.settings(), stream, subject, last)]
    printer = Printer(output, COLUMNS)
    printer.all(tried_row(each, whole=not printer.is_table) for each in found)
    note(summary(found))
    dead = any(each.becomes == "dead letter" for each in found)
    return exits.FAILED if dead else exits.OK
