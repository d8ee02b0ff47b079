"""``ntbridge events``: domain events, published and followed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from nats.aio.client import Client

from bridge import samples
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
from bridge.cli.rendering import COLUMNS, event_row
from bridge.config import Settings
from bridge.errors import BridgeError, DecodeError
from bridge.jetstream import connect_once
from bridge.outbound.results import Result, Results
from bridge.publishing import complete, publish, stored_at
from bridge.storage import open_store
from bridge.subjects import topic_for
from eventstore.events import Event
from eventstore.filters import Filter

app = App(name="events", help="Publish and follow domain events.")
app.command("bridge.cli.explain:explain", help="Tell what became of an event.")

# For "-" to be one.
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
    wait: bool = False,
    timeout: float = _WAIT_SECONDS,  # noqa: ASYNC109 - a flag
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Publish one domain event and print its id.

    The event is a CloudEvent in JSON from a file or standard input ("-"), a sample, or made
    from flags alone; flags win over the file. What is missing of specversion, id and time is
    filled in.

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
        CloudEvents id; a random UUID when missing.
    data:
        The data, as JSON.
    extension:
        An extension attribute, name=value; may be repeated.
    topic:
        The NATS subject; by default events.<domain>.<name>, from the type.
    wait:
        Follow the result events until the pipeline ends; exit 1 if it failed, 5 on timeout.
    timeout:
        How long to wait, in seconds.
    output:
        How to print the event, and with --wait its results.
    """
    flags = {"type": type, "source": source, "subject": subject, "id": id}
    members = {**_members(file, sample), **_given(flags), **_extensions(extension or [])}
    if data is not None:
        members["data"] = _json(data, "--data")
    members.setdefault("source", "/ntbridge/cli")
    event = complete(members)
    settings = connect.settings()
    printer = Printer(output, COLUMNS)
    async with _results(settings, listen=wait) as (client, results):
        ack = await publish(client, settings.nats, event, topic or topic_for(event.type))
        if ack.duplicate:
            note(f"event {event.id} was in the stream already: not stored again")
        _print_published(event, output)
        if results is None:
            return exits.OK
        correlation = str(event.extensions.get("correlationid", event.id))
        if ack.duplicate:
            # Its results may have come already.
            earlier = await _listen(client, settings, await stored_at(client, ack))
            return await _follow(earlier, correlation, printer, timeout)
        return await _follow(results, correlation, printer, timeout)


@app.command
async def tail(
    *,
    type: str | None = None,  # noqa: A002 - the attribute's name
    correlation: str | None = None,
    since: str | None = None,
    follow: bool = True,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Show events as they are recorded in the store, domain and result events alike.

    Parameters
    ----------
    type:
        Only those of this CloudEvents type.
    correlation:
        Only those with this correlation id.
    since:
        Begin in the past: 10m, 2h (ago) or an ISO 8601 time.
    follow:
        Go on until Ctrl-C; --no-follow ends with the last event stored.
    output:
        table (in a terminal) or ndjson (in a pipe): one CloudEvent a line.
    """
    settings = connect.settings()
    moment = point_in_time(since)
    where = Filter(type=type, correlation_id=correlation, since=moment)
    printer = Printer(output, COLUMNS)
    async with open_store(settings, "ntbridge events tail") as (_, store):
        if not follow:
            async for stored in store.read_all(where=where):
                printer.stream(event_row(stored.event, stored.topic))
            return
        after = await store.head() if moment is None else 0
        async with store.subscribe(after=after, where=where) as subscription:
            note("following the event store; Ctrl-C ends")
            async for batch in subscription.batches():
                for stored in batch.events:
                    printer.stream(event_row(stored.event, stored.topic))


@asynccontextmanager
async def _results(
    settings: Settings,
    *,
    listen: bool,
) -> AsyncIterator[tuple[Client, AsyncIterator[Result] | None]]:
    """Connect; with ``listen`` subscribe, so that nothing published later is missed."""
    client = await connect_once(settings.nats, "ntbridge events publish")
    try:
        yield client, await _listen(client, settings) if listen else None
    finally:
        await client.close()


async def _listen(
    client: Client, settings: Settings, since: datetime | None = None
) -> AsyncIterator[Result]:
    return await Results(client, settings.nats, settings.relay.stream).open(since)


async def _follow(
    results: AsyncIterator[Result],
    correlation: str,
    printer: Printer,
    timeout: float,  # noqa: ASYNC109 - what the person asked for
) -> int:
    try:
        async with asyncio.timeout(timeout):
            async for result in results:
                if result.correlation_id != correlation:
                    continue
                printer.stream(event_row(result.event, result.topic))
                if result.closes:
                    return exits.FAILED if result.failed else exits.OK
    except TimeoutError:
        raise Exit(
            exits.TIMED_OUT,
            f"the pipeline did not end within {timeout:g} s; the event is published, follow it "
            f"with 'ntbridge results watch --correlation {correlation} --since 1h'",
        ) from None
    raise Exit(exits.FAILED, "the connection to NATS was closed")


def _print_published(event: Event, output: str | None) -> None:
    if output in (None, "table"):
        print(event.id, flush=True)
    else:
        print(msgspec.json.encode({"published": event.id}).decode(), flush=True)


def _members(file: Path | None, sample: str | None) -> dict[str, Any]:
    if file is not None and sample is not None:
        raise Exit(exits.USAGE, "give a file or --sample, not both")
    if sample is not None:
        content, name = samples.event(sample), f"the sample {sample}"
    elif file is None:
        return {}
    elif str(file) == "-":
        content, name = sys.stdin.buffer.read(), "standard input"
    elif str(file).startswith("-"):
        raise Exit(exits.USAGE, f"there is no option {file}")
    else:
        try:
            content, name = file.read_bytes(), str(file)
        except OSError as error:
            raise BridgeError(f"cannot read {file}: {error.strerror}") from error
    members = _json(content, name)
    if not isinstance(members, dict):
        raise BridgeError(f"{name} must hold one CloudEvent, a JSON object")
    return members


def _json(text: str | bytes, name: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError("json", f"{name} is no JSON: {error}") from error


def _given(flags: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in flags.items() if value is not None}


def _extensions(pairs: list[str]) -> dict[str, str]:
    parted = [pair.partition("=") for pair in pairs]
    for name, equals, _ in parted:
        if not equals:
            raise Exit(exits.USAGE, f"--extension takes name=value, not {name!r}")
    return {name: value for name, _, value in parted}
