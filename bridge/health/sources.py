"""Checks whether each source can be read, and how many messages the first daemon will record."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from nats.js.api import StreamInfo

from bridge.errors import AttachError, BridgeError, RequestRefused
from bridge.intake.consumer_fitness import ConsumerState, expiry_risk
from bridge.intake.durable_consumer import DurableConsumer
from bridge.intake.placement import LastRecorded
from bridge.intake.progress import SourceProgress
from bridge.intake.starting_point import FirstAttach
from bridge.jetstream.api import NO_STREAM, ask
from bridge.jetstream.client import BridgeClient
from bridge.jetstream.connection import connect_once
from bridge.runtime.findings import Finding
from bridge.settings.schema import Settings, SourceSettings
from eventstore.database import Database
from eventstore.errors import EventStoreError


class SourceChecks:
    """Checks the sources of the settings.

    Args:
        settings: The sources, and their names on the server.
        client: A connected client.
        database: Holds the recorded positions; None if it is unavailable.
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
        """Yield a sentence for each source that has messages and was never read."""
        async for finding in self.findings():
            if finding.state == "warning":
                yield f"{finding.check}: {finding.detail}"

    async def _finding(self, check: str, source: SourceSettings) -> Finding:
        stream = self._settings.nats.source_stream(source)
        api = self._settings.nats.source_api(source)
        try:
            info = StreamInfo.from_response(
                await ask(self._client, f"STREAM.INFO.{stream}", api=api)
            )
        except RequestRefused as error:
            if error.err_code == NO_STREAM:
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
        last = await self._progress(source, info)
        if state is not None and (risk := expiry_risk(state, info)) is not None:
            detail = "messages may be lost while no daemon runs"
            return Finding(check, "warning", detail, risk)
        has = "not created yet" if state is None else "exists"
        if last == "unknown":
            return Finding(
                check,
                "ok",
                f"recorded position unknown, because Postgres is unavailable; consumer {has}",
            )
        if last is not None:
            detail = f"recorded up to {last.sequence} of {info.state.last_seq}; consumer {has}"
            return Finding(check, "ok", detail)
        return await self._first(check, source, info, state)

    async def _first(
        self, check: str, source: SourceSettings, info: StreamInfo, state: ConsumerState | None
    ) -> Finding:
        """Return where a source that was never read will begin."""
        stream = self._settings.nats.source_stream(source)
        subject = self._settings.nats.source_filter(source)
        api = self._settings.nats.source_api(source)
        start = await FirstAttach(self._client, source, stream, subject, api).starting_point(
            state
        )
        held = info.state.messages
        if held and start.sequence <= info.state.last_seq:
            some = "" if source.subject is None else f" (those on {source.subject} among them)"
            return Finding(
                check,
                "warning",
                f"nothing is recorded yet of the {held} messages that stream {stream} holds{some}: "
                f"the daemon will record those from sequence {start.sequence} on, the oldest first, "
                "and dispatch what routes match",
                "if that is not wanted, set start_from of this source, for example to new",
            )
        has = "not created yet" if state is None else "exists"
        return Finding(
            check, "ok", f"will be read from sequence {start.sequence} on; consumer {has}"
        )

    async def _progress(
        self, source: SourceSettings, info: StreamInfo
    ) -> LastRecorded | Literal["unknown"] | None:
        """Return the last recorded message, None for none, ``unknown`` without the database."""
        if self._database is None or info.created is None:
            return "unknown"
        try:
            progress = SourceProgress(self._database)
            last = await progress.last_recorded(source, info.created)
            if last is None and await progress.was_read(source):
                # Of an earlier stream of this name: this one is read from its first message.
                return LastRecorded(max(1, info.state.first_seq) - 1)
        except EventStoreError:
            return "unknown"
        return last


@asynccontextmanager
async def sources_of(settings: Settings, name: str) -> AsyncIterator[SourceChecks]:
    """Connect to NATS and, if it is available, to Postgres, to check the sources.

    Raises:
        NotConnected: NATS is unavailable.
    """
    client = await connect_once(settings.nats, name)
    try:
        database = await _database(settings, name)
        try:
            yield SourceChecks(settings, client, database)
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
