"""Verify the source streams: every message is recorded, every matched event has its dispatches."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError

from bridge.cloudevents.headers import Headers
from bridge.errors import DecodeError, SourceMissing
from bridge.history.verify.findings import Counts, Discrepancy, VerifyScope
from bridge.intake.placement import LastRecorded, Removed, complete_through, removed_before
from bridge.intake.progress import SourceProgress
from bridge.jetstream.acks import ack_of
from bridge.jetstream.connection import stream_info
from bridge.jetstream.reader import StreamReader
from bridge.jetstream.subjects import shown_subject
from bridge.settings.schema import NatsSettings, RetentionSettings, SourceSettings
from bridge.sources import SourceMessage, Sources
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.removals import Removals
from eventstore.store import EventStore

_BATCH = 500


class EventsCheck:
    """Looks up each message of the sources, and the dispatches of each matched event."""

    def __init__(
        self,
        client: Client,
        nats: NatsSettings,
        database: Database,
        store: EventStore,
        retention: RetentionSettings,
        scope: VerifyScope,
        counts: Counts,
        sources: Sources,
    ) -> None:
        self._client = client
        self._nats = nats
        self._database = database
        self._store = store
        self._retention = retention
        self._scope = scope
        self._counts = counts
        self._sources = sources

    async def recorded(self, source: SourceSettings) -> AsyncGenerator[Discrepancy]:
        """Yield the messages of a source that intake has not recorded.

        Raises:
            NotConnected: NATS cannot be reached.
            Unavailable: The database cannot be reached.
        """
        stream, api = self._nats.source_stream(source), self._nats.source_api(source)
        try:
            info = await stream_info(self._client.jetstream(prefix=api), stream)
        except SourceMissing:
            yield Discrepancy(
                kind="stream-missing",
                what=f"stream {stream}",
                detail="it does not exist, and publishers cannot store events: run 'ntbridge migrate'",
                stream=stream,
            )
            return
        if info.created is None:
            return
        last = await SourceProgress(self._database).last_recorded(source, info.created)
        for removed in await self._removed(source, info.created, info, last):
            yield removed
        messages = StreamReader(self._client, stream, api).read(
            # What came before the start of the source does not belong to it.
            first=max(info.state.first_seq, 1 if last is None else last.start.sequence),
            through=info.state.last_seq,
            subject=self._nats.source_filter(source),
            headers_only=True,
        )
        batch: dict[int, Msg] = {}
        async with aclosing(messages) as found:
            async for sequence, message in found:
                if self._is_within(ack_of(message.reply).time):
                    batch[sequence] = message
                if len(batch) == _BATCH:
                    for finding in await self._unanswered(source, info.created, batch):
                        yield finding
                    batch = {}
        for finding in await self._unanswered(source, info.created, batch):
            yield finding

    async def _removed(
        self,
        source: SourceSettings,
        created: datetime,
        info: StreamInfo,
        last: LastRecorded | None,
    ) -> Sequence[Discrepancy]:
        about = source.stream, created, source.durable
        rows = await self._database.fetch(
            STATEMENTS["removed_messages"], *about, self._scope.since, self._scope.until
        )
        ranges = [Removed(created, row["first"], row["through"]) for row in rows]
        complete = None
        if last is not None:
            complete = (
                last.sequence
                if source.subject is None
                else complete_through(last, info.state.last_seq, info.config.retention)
            )
        if complete is not None:
            # No daemon has noticed it yet.
            unnoticed = removed_before(created, complete, info.state.first_seq)
            if unnoticed is not None and unnoticed.first not in {each.first for each in ranges}:
                ranges.append(unnoticed)
        which = (
            "these messages were removed from the stream before they were recorded"
            if source.subject is None
            else f"these messages were removed from the stream before the source had read past them, "
            f"and some may have been messages of {source.subject}"
        )
        return [
            Discrepancy(
                kind="events-removed",
                what=f"{source.name} sequences {each.first} to {each.through}",
                detail=f"{which}: they expired, or were purged or deleted. Publish them again if they "
                "are needed, and keep messages for longer than intake may be stopped (max_age)",
                stream=source.stream,
                sequence=each.first,
                through=each.through,
            )
            for each in ranges
        ]

    async def dispatched(self) -> AsyncGenerator[Discrepancy]:
        """Yield the events that matched a route and have no dispatch.

        Raises:
            Unavailable: The database cannot be reached.
        """
        after = self._scope.after
        while True:
            rows = await self._database.fetch(
                STATEMENTS["matched_without_dispatch"], after, self._scope.through, _BATCH
            )
            for row in rows:
                after = row["position"]
                if self._scope.is_older(row["recorded_at"], self._retention.dispatches):
                    self._counts.skip("events whose dispatches retention may have deleted")
                    continue
                yield Discrepancy(
                    kind="event-without-dispatch",
                    what=f"{row['type']} {row['id']}, position {row['position']}",
                    detail="it matched a route when it was recorded, and it has no dispatch: "
                    "'ntbridge replay --to-routes --forgotten' plans it again",
                    position=row["position"],
                    uid=row["uid"],
                )
            if len(rows) < _BATCH:
                return

    def _is_within(self, arrived: datetime) -> bool:
        since, until = self._scope.since, self._scope.until
        return (since is None or arrived >= since) and (until is None or arrived < until)

    async def _unanswered(
        self, source: SourceSettings, created: datetime, batch: dict[int, Msg]
    ) -> Sequence[Discrepancy]:
        if not batch:
            return ()
        self._counts.add(f"messages on {source.name}", len(batch))
        rows = await self._database.fetch(
            STATEMENTS["answered_among"], source.stream, created, list(batch), source.durable
        )
        answered = {row["sequence"] for row in rows}
        found = []
        for sequence, message in batch.items():
            if sequence in answered or self._scope.is_under_way(ack_of(message.reply).time):
                continue
            if await self._is_known_otherwise(source, created, message):
                continue
            if await self._may_be_deleted(ack_of(message.reply).time):
                self._counts.skip("messages as old as events whose rows were deleted")
                continue
            topic = shown_subject(self._nats.source_topic(source, message.subject))
            found.append(
                Discrepancy(
                    kind="event-not-recorded",
                    what=f"{source.stream} sequence {sequence} ({topic})",
                    detail=f"it arrived {ack_of(message.reply).time.isoformat()}, and intake has not "
                    "recorded it: start a daemon, or see its log for what it waits for",
                    stream=source.stream,
                    sequence=sequence,
                )
            )
        return found

    async def _may_be_deleted(self, arrived: datetime) -> bool:
        before = await Removals(self._database).deleted_before()
        return before is not None and arrived < before

    async def _is_known_otherwise(
        self, source: SourceSettings, created: datetime, found: Msg
    ) -> bool:
        """Return whether the event or its dead letter is stored: retention may have deleted the delivery."""
        ack = ack_of(found.reply)
        letters = await self._database.fetch(
            STATEMENTS["letters_of_delivery"], source.stream, created, ack.sequence
        )
        if letters:
            return True
        try:
            message = await self._client.jetstream(
                prefix=self._nats.source_api(source)
            ).get_msg(self._nats.source_stream(source), ack.sequence)
            topic = self._nats.source_topic(source, found.subject)
            event = self._sources.decoder(source.stream, topic).decode(
                SourceMessage(
                    topic=topic,
                    headers=Headers.of(message.headers),
                    payload=message.data or b"",
                    stream=source.stream,
                    sequence=ack.sequence,
                    arrived_ns=ack.time_ns,
                )
            )
        except NotFoundError:
            return True  # deleted meanwhile
        except DecodeError:
            return False
        return await self._store.get(event.uid) is not None
