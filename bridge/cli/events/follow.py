"""Follows the results of one event until its pipeline ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from nats.aio.client import Client

from bridge.cli import exits
from bridge.cli.events.view import event_row
from bridge.cli.exits import Exit
from bridge.cli.printer import Printer
from bridge.jetstream.connection import connect_once
from bridge.results.events import Result, Results
from bridge.settings.schema import Settings


@asynccontextmanager
async def listening(
    settings: Settings,
    *,
    wanted: bool,
) -> AsyncIterator[tuple[Client, AsyncIterator[Result] | None]]:
    """Connect; if ``wanted``, also subscribe, so that no later event is missed."""
    client = await connect_once(settings.nats, "ntbridge events publish")
    try:
        yield client, await listen(client, settings) if wanted else None
    finally:
        await client.close()


async def listen(
    client: Client, settings: Settings, since: datetime | None = None
) -> AsyncIterator[Result]:
    """Return the result events since a time, by default from now, without a gap."""
    return await Results(client, settings.nats, settings.nats.streams.results).open(since)


async def follow(
    results: AsyncIterator[Result],
    correlation: str,
    printer: Printer,
    timeout: float,  # noqa: ASYNC109 - a flag
) -> int:
    """Print an event's results until its pipeline ends; return the exit code for its outcome.

    Raises:
        Exit: The pipeline timed out, or the connection to NATS was closed.
    """
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
            f"no pipeline ended within {timeout:g} s; the event is published: see "
            f"'ntbridge events explain {correlation}'",
        ) from None
    raise Exit(exits.FAILED, "the connection to NATS was closed")
