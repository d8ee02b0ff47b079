"""Whether each source can be read, and what reading it will bring, before a daemon does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from nats.js.api import StreamInfo

from bridge.errors import AttachError, BridgeError, RequestRefused
from bridge.intake.durable_consumer import DurableConsumer
from bridge.jetstream import api
from bridge.jetstream.api import ask
from bridge.jetstream.client import BridgeClient
from bridge.jetstream.connection import connect_once
from bridge.runtime.findings import Finding
from bridge.settings.schema import Settings, SourceSettings
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.errors import EventStoreError


class Sources:
    """Looks at the sources of the settings.

    Args:
        settings: The sources, and their names on the server.
        client: Connected.
        database: Says what is recorded; None when it is away.
    """

    def __init__(
        self, settings: Settings, client: BridgeClient, database: Database | None
    ) -> None:
        self._settings = settings
        self._client = client
        self._database = database

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield one finding for each source."""
        for source in self._settings.intake.sources:
            check = f"source {source.name}"
            try:
                yield await self._finding(check, source)
            except AttachError as error:
                yield Finding(check, "failed", str(error), error.to_do)
            except BridgeError as error:
                yield Finding(check, "failed", str(error), "is JetStream enabled?")

    async def histories(self) -> AsyncIterator[str]:
        """Yield a sentence for each source that will be read for the first time and holds messages."""
        async for finding in self.findings():
            if finding.state == "warning":
                yield f"{finding.check}: {finding.detail}"

    async def _finding(self, check: str, source: SourceSettings) -> Finding:
        stream = self._settings.nats.stream(source.stream)
        try:
            info = StreamInfo.from_response(await ask(self._client, f"STREAM.INFO.{stream}"))
        except RequestRefused as error:
            if error.err_code == api.NO_STREAM:
                return Finding(
                    check,
                    "failed",
                    f"stream {stream} does not exist",
                    "run 'ntbridge migrate' if it is one of the bridge's own, else create it, or "
                    "correct nats.prefix and intake.sources",
                )
            raise
        consumer = DurableConsumer(
            self._client, self._settings.nats, source, self._settings.intake, info
        )
        consumer.require_reset()
        state = await consumer.find()
        held = info.state.messages
        recorded = await self._recorded(source, info.created)
        if recorded == 0 and held:
            some = "" if source.subject is None else f" (those on {source.subject} among them)"
            return Finding(
                check,
                "warning",
                f"none of the {held} messages that stream {stream} holds{some} is recorded: the "
                "daemon will record all of them, the oldest first, and dispatch what routes match",
                "if that is not wanted, purge the stream, or read from another one",
            )
        where = "not known, since Postgres is away" if recorded is None else f"up to {recorded}"
        has = "not created yet" if state is None else "in place"
        return Finding(
            check, "ok", f"recorded {where} of {info.state.last_seq}; consumer {has}"
        )

    async def _recorded(self, source: SourceSettings, created: datetime | None) -> int | None:
        """Return the last recorded sequence, 0 for none, None if the database does not say."""
        if self._database is None:
            return None
        try:
            row = await self._database.fetchrow(
                STATEMENTS["source_progress"], source.stream, created, source.durable
            )
        except EventStoreError:
            return None
        return 0 if row is None else int(row["sequence"])


@asynccontextmanager
async def sources_of(settings: Settings, name: str) -> AsyncIterator[Sources]:
    """Connect to NATS, and to Postgres if it is there, to look at the sources.

    Raises:
        NotConnected: NATS is away.
    """
    client = await connect_once(settings.nats, name)
    try:
        database = await _database(settings, name)
        try:
            yield Sources(settings, client, database)
        finally:
            if database is not None:
                await database.close()
    finally:
        await client.close()


async def _database(settings: Settings, name: str) -> Database | None:
    try:
        return await Database.connect(
            settings.database.url,
            size=1,
            deadline=min(5.0, settings.database.deadline),
            application_name=name,
        )
    except EventStoreError:
        return None
