"""``ntbridge events``: publishes and follows domain events."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, SecondsFlag, note, point_in_time
from bridge.cli.printer import OutputFlag, Printer

if TYPE_CHECKING:
    from eventstore.store import EventStore

app = App(name="events", help="Publish, list and follow domain events.")
app.command("bridge.cli.events.listing:ls", help="List stored events, newest first.")
app.command("bridge.cli.events.explain:explain", help="Show what happened to an event.")
app.command(
    "bridge.cli.events.archive:export_command",
    name="export",
    help="Write all events to a file.",
)
app.command(
    "bridge.cli.events.archive:import_command",
    name="import",
    help="Import an exported history into an empty store.",
)

# Accepts "-".
FileArgument = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]

_WAIT_SECONDS = 300.0


@app.command(name="publish")
async def publish_command(
    file: FileArgument = None,
    *,
    sample: str | None = None,
    type: str | None = None,  # noqa: A002 - the attribute's name
    source: str | None = None,
    subject: str | None = None,
    id: str | None = None,  # noqa: A002 - the attribute's name
    data: str | None = None,
    extension: list[str] | None = None,
    topic: str | None = None,
    check: Annotated[bool, Parameter(negative="--no-check")] = True,
    wait: bool = False,
    timeout: SecondsFlag = _WAIT_SECONDS,  # noqa: ASYNC109 - a flag
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Publish one domain event and print its id.

    The event is a CloudEvent in JSON from a file or standard input ("-"), a sample, or built from
    flags. Flags override the file. Missing specversion, id and time are filled in. Says so if no source
    reads the subject or no route of the current file matches.

    Parameters
    ----------
    file:
        A CloudEvent in the JSON format; "-" reads standard input.
    sample:
        A built-in sample event, such as code-generation.
    type:
        CloudEvents type.
    source:
        CloudEvents source.
    subject:
        CloudEvents subject.
    id:
        CloudEvents id; default: a random UUID.
    data:
        The data, as JSON.
    extension:
        An extension attribute, name=value; may be repeated.
    topic:
        The NATS subject; default: `events.<domain>.<name>`, from the type.
    check:
        Check the data, if the type has a schema: see `ntbridge events schema`.
    wait:
        Follow the result events until the pipeline ends; exit 1 if it did not complete, 5 on timeout.
    timeout:
        How long to wait, such as 90s, 5m or 1h30m, or in seconds.
    output:
        Format of the event's id and, with --wait, of its results: text and a table (in a terminal),
        text and ndjson (in a pipe), or json, ndjson, yaml.
    """
    from bridge.cli.events.compose import check_data, composed
    from bridge.cli.events.follow import follow, listen, listening
    from bridge.cli.events.reach import unreached
    from bridge.cli.events.view import COLUMNS, print_published
    from bridge.cli.tracing import traced
    from bridge.jetstream.publishing import publish, stored_at
    from bridge.jetstream.subjects import topic_for

    flags = {"type": type, "source": source, "subject": subject, "id": id}
    event = composed(file, sample, flags, extension or [], data)
    if check:
        check_data(event)
    settings = connect.settings()
    printer = Printer(output, COLUMNS)
    async with listening(settings, wanted=wait) as (client, results):
        with traced():
            ack = await publish(client, settings.nats, event, topic or topic_for(event.type))
        if ack.duplicate:
            note(f"event {event.id} is already in the stream: not stored again")
        print_published(event, output)
        if why := await unreached(settings, event, topic or topic_for(event.type), ack.stream):
            note(why)
        if results is None:
            return exits.OK
        correlation = str(event.extensions.get("correlationid", event.id))
        if ack.duplicate:
            # Its results may already be published.
            earlier = await listen(client, settings, await stored_at(client, ack))
            return await follow(earlier, correlation, printer, timeout)
        return await follow(results, correlation, printer, timeout)


@app.command
def schema(type: str | None = None, /) -> None:  # noqa: A002 - the attribute's name
    """Print the JSON Schema of an event type's data; without a type, list the types.

    Parameters
    ----------
    type:
        CloudEvents type.
    """
    from bridge.cli.exits import Exit
    from bridge.runtime.terminal import print_exact
    from bridge.samples.event_types import SCHEMAS, names

    if type is None:
        print_exact("\n".join(names()))
    elif type in names():
        print_exact((SCHEMAS / f"{type}.json").read_text().rstrip("\n"))
    else:
        raise Exit(exits.USAGE, f"{type} has no schema: see 'ntbridge events schema'")


@app.command
async def tail(
    *,
    type: str | None = None,  # noqa: A002 - the attribute's name
    correlation: str | None = None,
    since: str | None = None,
    follow: Annotated[bool, Parameter(negative="--no-follow")] = True,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Show domain and result events when they are recorded in the store.

    Parameters
    ----------
    type:
        Only those of this CloudEvents type.
    correlation:
        Only those with this correlation id.
    since:
        Start in the past: 10m, 1h30m (ago) or an ISO 8601 time.
    follow:
        Continue until Ctrl-C; --no-follow stops after the last stored event.
    output:
        table (in a terminal) or ndjson (in a pipe): one CloudEvent a line; yaml.
    """
    from bridge.cli.events.view import COLUMNS, event_row
    from bridge.sql.storage import open_store
    from eventstore.filters import Filter

    settings = connect.settings()
    when = point_in_time(since)
    printer = Printer(output, COLUMNS)
    async with open_store(settings, "ntbridge events tail") as (_, store):
        moment = await store.time_of(when)
        where = Filter(type=type, correlation_id=correlation, since=moment)
        if not follow:
            async for stored in store.read_all(where=where):
                printer.stream(event_row(stored.event, stored.topic))
            return
        after = await _just_before(store, moment)
        async with store.subscribe(after=after, where=where) as subscription:
            note("following the event store; Ctrl-C stops")
            async for batch in subscription.batches():
                for stored in batch.events:
                    printer.stream(event_row(stored.event, stored.topic))


async def _just_before(store: "EventStore", moment: datetime | None) -> int:
    """Return the position after which to follow; older events need not be read."""
    if moment is not None:
        from eventstore.filters import Filter

        async for first in store.read_all(where=Filter(since=moment), limit=1):
            return first.position - 1
    return await store.head()
