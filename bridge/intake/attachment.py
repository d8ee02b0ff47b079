"""Places a source's consumer after the last recorded message, for a new leader.

A source has one durable consumer with a stable name, created with deliver policy ``all``. Each
new leader, and each new connection of a leader, resets it to the last recorded message before its
first pull. JetStream redelivers without order: messages that a lost connection or a killed daemon
held would otherwise come after the ack wait, after newer ones.

A reset does not end an open pull request of a deposed leader that does not know it yet; that
request then takes messages from its successor. Therefore

- the lease is checked before the reset, so a deposed leader that was frozen resets nothing;
- intake records only consumer sequences without a gap (`bridge.intake.placement.UnbrokenRun`).
  After a gap it records nothing more, checks the lease, waits until the foreign pull request
  ends, and resets the consumer again;
- only recorded messages are acknowledged.

A stream that was deleted and created again, or that lost its last messages in a crash, is read from
its beginning: repeats are harmless.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog
from nats.js.api import RetentionPolicy, StreamInfo

from bridge.errors import AttachError, RequestRefused, SourceMissing
from bridge.intake.consumer_fitness import ConsumerState, expiry_risk
from bridge.intake.durable_consumer import DurableConsumer, has_reset
from bridge.intake.placement import (
    LastRecorded,
    Removed,
    StartingPoint,
    begin_at,
    complete_through,
    removed_before,
)
from bridge.intake.progress import ProgressStore, Tenure
from bridge.intake.starting_point import FirstAttach
from bridge.jetstream.api import NO_MESSAGE, NO_STREAM, ask, nanoseconds
from bridge.jetstream.client import BridgeClient
from bridge.lifecycle.crash_points import fault
from bridge.settings.schema import IntakeSettings, NatsSettings, SourceSettings

log = structlog.get_logger(__name__)

_FOREIGN_PULL_SECONDS = 3.0
"""Longer than a pull request of the bridge stays open."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A consumer that is ready for the first pull.

    Attributes:
        stream_created: When the stream was created.
        recorded: Stream sequence of the last recorded message, or the one before the start.
        removed: Messages known to have left the stream before they were recorded.
    """

    stream_created: datetime
    recorded: int
    removed: Removed | None


@dataclass(frozen=True)
class Attacher:
    """Attaches to one source.

    Attributes:
        nats: The prefix of streams and subjects.
        source: The stream and its subject filter.
        settings: The ack wait.
        progress: How far the source is recorded.
    """

    nats: NatsSettings
    source: SourceSettings
    settings: IntakeSettings
    progress: ProgressStore

    async def attach(
        self, client: BridgeClient, lease: Tenure, *, after_gap: bool
    ) -> Attachment:
        """Place the consumer after the last recorded message.

        Args:
            client: A connected client.
            lease: Checked before any change.
            after_gap: Whether another client has just pulled from the consumer.

        Raises:
            SourceMissing: The stream does not exist.
            AttachError: The stream or the consumer cannot be used.
            Deposed: The lease is lost.
            NotConnected: NATS is unavailable.
            Unavailable: The database is unavailable.
        """
        info, created = await self._stream(client)
        consumer = DurableConsumer(client, self.nats, self.source, self.settings, info)
        consumer.require_reset()
        found = await consumer.find()
        if after_gap:
            log.warning(
                "intake.consumer_shared",
                stream=info.config.name,
                consumer=self.source.durable,
                next_step="another client has pulled from this consumer: a daemon that has just "
                "lost its lease, or another program. The bridge reads those messages again",
            )
            await consumer.wait_until_idle(_FOREIGN_PULL_SECONDS)
        await lease.renew()
        last = await self.progress.last_recorded(self.source, created)
        is_first = last is None
        if last is None:
            last = await self._begin(client, created, found, lease)
        recorded = await self._checked(client, info, last)
        went_back = recorded < last.sequence
        placed = await self._place(consumer, info, found, recorded, went_back=went_back)
        await consumer.remove_superseded(lease.epoch)
        if (risk := expiry_risk(placed, info)) is not None:
            log.warning("intake.consumer_expires", stream=info.config.name, next_step=risk)
        pending = placed.get("num_pending", 0)
        log.info(
            "intake.attached",
            stream=info.config.name,
            consumer=self.source.durable,
            after=recorded,
            messages=pending,
        )
        if is_first and pending:
            log.warning(
                "intake.reads_history",
                stream=info.config.name,
                first=last.start.sequence,
                messages=pending,
                next_step="this source is read for the first time: each of these messages is "
                "recorded, and what routes match is dispatched",
            )
        removed = self._removed(created, info, last, recorded)
        return Attachment(created, recorded, removed)

    def _removed(
        self, created: datetime, info: StreamInfo, last: LastRecorded, recorded: int
    ) -> Removed | None:
        complete: int | None = recorded
        if self.source.subject is not None:
            if recorded < last.sequence:
                return None
            complete = complete_through(last, info.state.last_seq, info.config.retention)
        if complete is None:
            return None
        return removed_before(created, complete, info.state.first_seq)

    async def _stream(self, client: BridgeClient) -> tuple[StreamInfo, datetime]:
        stream = self.nats.source_stream(self.source)
        try:
            info = StreamInfo.from_response(
                await ask(client, f"STREAM.INFO.{stream}", api=self._api)
            )
        except RequestRefused as error:
            if error.err_code == NO_STREAM:
                raise SourceMissing(self._missing(stream)) from error
            raise AttachError(
                f"stream {stream}: {error}",
                f"allow this user to publish to {self._api}.STREAM.INFO.{stream}, and check that "
                "JetStream is enabled",
            ) from error
        if info.created is None:
            raise AttachError(
                f"stream {stream}: the server does not report its creation time",
                "update nats-server",
            )
        return info, info.created

    def _missing(self, stream: str) -> str:
        if self.nats.is_own(self.source) or not self.nats.prefix:
            to_do = "'ntbridge migrate' declares the bridge's own streams"
        else:
            to_do = (
                "a source's stream is taken as written: for a stream whose name begins with "
                f"nats.prefix write {self.nats.stream(stream)}"
            )
        return f"the NATS stream {stream!r} does not exist; {to_do}"

    async def _place(
        self,
        consumer: DurableConsumer,
        info: StreamInfo,
        found: ConsumerState | None,
        recorded: int,
        *,
        went_back: bool,
    ) -> ConsumerState:
        if not has_reset(info):
            return await consumer.recreate(recorded + 1)
        retention = info.config.retention
        if found is None:
            await consumer.create()
            return await consumer.reset(begin_at(retention, recorded, None))
        begin = begin_at(retention, recorded, found["ack_floor"]["stream_seq"])
        # A consumer cannot be reset to before the sequence at which it was created to begin.
        first = found["config"].get("opt_start_seq", 1)
        if begin < first and went_back and retention == RetentionPolicy.LIMITS:
            return await consumer.recreate(begin)
        return await consumer.reset(max(first, begin))

    async def _begin(
        self,
        client: BridgeClient,
        created: datetime,
        found: ConsumerState | None,
        lease: Tenure,
    ) -> LastRecorded:
        """Decide and store where the source begins; a restart then begins there too."""
        was_read = await self.progress.was_read(self.source)
        start = await self._first_attach(client).starting_point(found, was_read=was_read)
        await self.progress.begin(self.source, created, start, lease)
        fault("intake.begun")
        return LastRecorded(start.sequence - 1, None, start, start.sequence - 1)

    def _first_attach(self, client: BridgeClient) -> FirstAttach:
        subject = self.nats.source_filter(self.source)
        stream = self.nats.source_stream(self.source)
        return FirstAttach(client, self.source, stream, subject, self._api)

    @property
    def _api(self) -> str:
        return self.nats.source_api(self.source)

    async def _checked(self, client: BridgeClient, info: StreamInfo, last: LastRecorded) -> int:
        """Return the last recorded sequence; an earlier one if the stream went back.

        It went back if it was restored, or lost its last messages in a crash.
        """
        if last.sequence > info.state.last_seq or not await _is_unchanged(
            client, info, last, self._api
        ):
            log.error(
                "intake.stream_went_back",
                stream=info.config.name,
                recorded=last.sequence,
                last=info.state.last_seq,
                next_step="the stream was restored, or lost messages in a crash: the bridge reads it "
                "from the beginning and skips recorded events",
            )
            return await self._before_start(client, info, last.start)
        return last.sequence

    async def _before_start(
        self, client: BridgeClient, info: StreamInfo, start: StartingPoint
    ) -> int:
        """Return the sequence before the first message of a source whose stream went back."""
        first, last = max(1, info.state.first_seq), info.state.last_seq
        if start.time_ns is None:
            return first - 1
        since = await self._first_attach(client).first_since(start.time_ns, first, last)
        return max(first, min(start.sequence, since)) - 1


async def _is_unchanged(
    client: BridgeClient, info: StreamInfo, last: LastRecorded, api: str
) -> bool:
    """Return whether the stream still has the last recorded message at its sequence."""
    if last.arrived_ns is None:
        return True
    stream = info.config.name
    try:
        answer = await ask(client, f"STREAM.MSG.GET.{stream}", {"seq": last.sequence}, api=api)
    except RequestRefused as error:
        if error.err_code == NO_MESSAGE:
            # The message expired or was deleted, so it cannot be compared.
            return True
        raise AttachError(
            f"stream {stream}: {error}",
            f"allow this user to publish to {api}.STREAM.MSG.GET.{stream}: the bridge compares "
            "the last recorded message to detect a restored stream",
        ) from error
    return nanoseconds(answer["message"]["time"]) == last.arrived_ns
