"""The host object that ``ntbridge`` passes to commands of other packages."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from bridge.cli.common import Connect, note
from bridge.cli.printer import Output, Printer

if TYPE_CHECKING:
    from nats.aio.client import Client

    from bridge.results.events import Result
    from bridge.runtime.temporal_connection import TemporalConnection
    from bridge.settings.schema import Settings


@dataclass(frozen=True, kw_only=True)
class Servers:
    """The addresses of the servers. ``nats_prefix`` is the prefix of all streams and subjects."""

    nats_url: str
    nats_prefix: str
    temporal: "TemporalConnection"
    database_url: str


class Host:
    """Gives a command its settings, NATS and the terminal.

    Args:
        connect: The flags of the command line.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    @cached_property
    def servers(self) -> Servers:
        """The addresses of the servers, from flags, environment, file or a running stack.

        Raises:
            SettingsError: A setting is wrong; the message says which and why.
        """
        settings = self._settings
        return Servers(
            nats_url=settings.nats.url,
            nats_prefix=settings.nats.prefix,
            temporal=settings.temporal,
            database_url=settings.database.url,
        )

    @asynccontextmanager
    async def channel(self) -> AsyncIterator["Channel"]:
        """Connect to NATS, to publish domain events and to receive result events.

        Raises:
            NotConnected: NATS is unreachable.
        """
        from bridge.jetstream.connection import connect_once

        settings = self._settings
        client = await connect_once(settings.nats, "ntbridge")
        try:
            yield Channel(client, settings)
        finally:
            await client.close()

    async def publish(self, members: Mapping[str, Any]) -> str:
        """Connect, publish one domain event, and disconnect; see `Channel.publish`."""
        async with self.channel() as channel:
            return await channel.publish(members)

    def sample(self, name: str) -> dict[str, Any]:
        """Return the members of a sample event, without an id.

        Raises:
            SettingsError: There is no such sample.
        """
        from bridge import samples

        members: dict[str, Any] = msgspec.json.decode(samples.event(name))
        return members

    def printer(
        self, output: Output | None, columns: Sequence[str] = (), only: str | None = None
    ) -> Printer:
        """Return a printer of rows, as the other commands use it; ``only``: the value of --columns."""
        return Printer(output, columns, only=only)

    def note(self, message: str) -> None:
        """Print a line that is not data, to standard error."""
        note(message)

    @cached_property
    def _settings(self) -> "Settings":
        return self._connect.settings()


class Channel:
    """A connection to NATS."""

    def __init__(self, client: "Client", settings: "Settings") -> None:
        self._client = client
        self._settings = settings

    async def publish(self, members: Mapping[str, Any]) -> str:
        """Publish a CloudEvent; return its id when NATS has acknowledged it.

        The subject is ``events.<domain>.<name>``, derived from the type. Missing specversion,
        source, id and time are filled in. A repeat with the same source and id has no effect.

        Raises:
            DecodeError: It is not a CloudEvent.
            Exit: Its data violates the schema of its type.
            NotPublishedError: NATS did not accept it.
        """
        from bridge.cli.events.compose import check_data
        from bridge.jetstream.publishing import complete, publish
        from bridge.jetstream.subjects import topic_for

        event = complete({"source": "/ntbridge/cli", **members})
        check_data(event)
        await publish(self._client, self._settings.nats, event, topic_for(event.type))
        return event.id

    async def results(self, since: datetime | None = None) -> "AsyncIterator[Result]":
        """Return the result events since a time, by default from now, without a gap.

        Raises:
            SourceMissing: The stream of result events does not exist.
        """
        from bridge.cli.events.follow import listen

        return await listen(self._client, self._settings, since)
