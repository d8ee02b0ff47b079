"""What a command of another package is given by ``ntbridge``."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from bridge.cli.common import Connect, Output, Printer, note

if TYPE_CHECKING:
    from nats.aio.client import Client

    from bridge.results.events import Result
    from bridge.settings.schema import Settings


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Where the servers are. A prefix is put before all streams and subjects of NATS."""

    nats_url: str
    nats_prefix: str
    temporal_address: str
    temporal_namespace: str
    temporal_tls: bool | None
    temporal_api_key: str | None
    database_url: str


class Host:
    """Hands settings, NATS and the terminal to a command.

    Args:
        connect: The flags of the command line.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    @cached_property
    def servers(self) -> Servers:
        """Where the servers are, from flags, environment, file or a running stack.

        Raises:
            SettingsError: One of them is wrong; the message says which and why.
        """
        settings = self._settings
        return Servers(
            nats_url=settings.nats.url,
            nats_prefix=settings.nats.prefix,
            temporal_address=settings.temporal.address,
            temporal_namespace=settings.temporal.namespace,
            temporal_tls=settings.temporal.tls,
            temporal_api_key=settings.temporal.api_key,
            database_url=settings.database.url,
        )

    @asynccontextmanager
    async def channel(self) -> AsyncIterator["Channel"]:
        """Connect to NATS, to publish domain events and to hear result events.

        Raises:
            NotConnected: NATS is out of reach.
        """
        from bridge.jetstream.connection import connect_once

        settings = self._settings
        client = await connect_once(settings.nats, "ntbridge")
        try:
            yield Channel(client, settings)
        finally:
            await client.close()

    async def publish(self, members: Mapping[str, Any]) -> str:
        """Publish one domain event on a connection of its own; see `Channel.publish`."""
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

    def printer(self, output: Output | None, columns: Sequence[str] = ()) -> Printer:
        """Return what prints rows as every command does."""
        return Printer(output, columns)

    def note(self, message: str) -> None:
        """Tell the person something that is not data: on standard error."""
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
        """Publish a CloudEvent, and return its id when NATS has it.

        It goes to ``events.<domain>.<name>``, by its type. What is missing of specversion,
        source, id and time is filled in; a repeat with the same source and id has no effect.

        Raises:
            DecodeError: It is no CloudEvent.
            NotPublishedError: NATS did not take it.
        """
        from bridge.jetstream.publishing import complete, publish
        from bridge.jetstream.subjects import topic_for

        event = complete({"source": "/ntbridge/cli", **members})
        await publish(self._client, self._settings.nats, event, topic_for(event.type))
        return event.id

    async def results(self, since: datetime | None = None) -> "AsyncIterator[Result]":
        """Return the result events from a time on, by default from now; none is missed.

        Raises:
            SourceMissing: There is no stream of result events.
        """
        from bridge.cli.events.follow import listen

        return await listen(self._client, self._settings, since)
