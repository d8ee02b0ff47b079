"""``ntbridge events ls``: lists stored events, newest first."""

from typing import Annotated

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, note, point_in_time
from bridge.cli.exits import Exit
from bridge.cli.printer import ColumnsFlag, OutputFlag


def _positive(_: object, value: int) -> None:
    if value < 1:
        raise ValueError("must be at least 1")


async def ls(
    *,
    type: str | None = None,  # noqa: A002 - the attribute's name
    subject: str | None = None,
    source: str | None = None,
    topic: str | None = None,
    correlation: str | None = None,
    since: str | None = None,
    until: str | None = None,
    where: str | None = None,
    before: int | None = None,
    limit: Annotated[int, Parameter(validator=_positive)] = 20,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """List stored events, newest first; 'ntbridge explain UID' takes the uids that it shows.

    A search by something that has no index ends after about a second, and says how far it came.

    Parameters
    ----------
    type:
        Only those of this CloudEvents type; end a prefix with *.
    subject:
        Only those with this CloudEvents subject.
    source:
        Only those of this CloudEvents source.
    topic:
        Only those that came on this NATS subject, without the prefix.
    correlation:
        Only those with this correlation id.
    since:
        Recorded since: 10m, 1h30m (ago) or an ISO 8601 time.
    until:
        Recorded before.
    where:
        Only those for which this CEL expression over event and data is true, as in routes.
    before:
        Only those below this position.
    limit:
        Maximum number of events to list.
    output:
        table (in a terminal), ndjson (in a pipe), wide (all columns), json or yaml; the last three
        and ndjson have the whole event.
    """
    import msgspec

    from bridge.cli.events.asking import COLUMNS, event_line
    from bridge.cli.printer import Printer
    from bridge.cloudevents.codec import to_json
    from bridge.errors import ExpressionError
    from bridge.evaluation import Evaluator
    from bridge.inspect.search import EventQuery, Search
    from bridge.sql import STATEMENTS
    from bridge.sql.storage import open_store
    from eventstore.filters import Filter

    prefix = None if type is None or not type.endswith("*") else type[:-1]
    settings = connect.settings()
    async with open_store(settings, "ntbridge events ls") as (database, store):
        only = Filter(
            type=type if prefix is None else None,
            type_prefix=prefix,
            subject=subject,
            source=source,
            topic=topic,
            correlation_id=correlation,
            since=await store.time_of(point_in_time(since)),
            until=await store.time_of(point_in_time(until)),
        )
        try:
            query = EventQuery(where=only, condition=where)
        except ExpressionError as error:
            raise Exit(exits.USAGE, f"--where: {error}") from error
        async with Evaluator() as evaluator:
            page = await Search(database, store, evaluator).page(query, limit, before=before)
        now = await database.fetchval(STATEMENTS["now"])
    printer = Printer(output, COLUMNS, only=columns, now=now)
    rows = [
        {**event_line(each), "event": msgspec.Raw(to_json(each.event))} for each in page.events
    ]
    if printer.is_table:
        rows = [{name: row[name] for name in row if name != "event"} for row in rows]
    printer.all(rows)
    if page.has_more:
        said = "the newest are listed" if page.is_full else "the search took too long"
        note(f"{said}; for older ones: --before {page.reached}")
