"""Places a source's consumer after what is recorded, for a new leader.

A source has one durable consumer with a stable name, created with deliver policy ``all``. Each
new leader, and each new connection of one, resets it to what is recorded before its first pull:
redelivery keeps no order, and what a lost connection or a killed daemon held would otherwise
come only after the ack wait, after what is newer.

A reset does not end an open pull of a leader that was deposed and does not know it yet, which
then takes messages from its successor. Therefore

- the lease is checked before the reset, so that a deposed leader that thaws does none;
- only an unbroken run of consumer sequences is recorded (`bridge.intake.placement.UnbrokenRun`);
  at a gap, nothing more is, the lease is checked, the foreign pull is waited out, and the
  consumer is reset again;
- only what is recorded is acknowledged.

A stream that was deleted and created again, or that lost its tail in a crash, is read from its
beginning: repeats are harmless.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from nats.js.api import RetentionPolicy, StreamInfo

from bridge.errors import AttachError, RequestRefused, SourceMissing
from bridge.intake.durable_consumer import DurableConsumer, State, has_reset
from bridge.intake.placement import LastRecorded, Removed, begin_at, removed_before
from bridge.jetstream import api
from bridge.jetstream.api import ask, nanoseconds
from bridge.jetstream.client import BridgeClient
from bridge.settings.schema import IntakeSettings, NatsSettings, SourceSettings

log = structlog.get_logger(__name__)

_FOREIGN_PULL_SECONDS = 3.0
"""Longer than a pull request of the bridge stays open."""


class Progress(Protocol):
    """Says how far a source is recorded."""

    def __call__(
        self, stream: str, created: datetime, consumer: str, /
    ) -> Awaitable[LastRecorded]:
        """Return the last recorded message of a stream of that creation time, by consumer.

        Raises:
            Unavailable: The database is away.
        """
        ...


class Tenure(Protocol):
    """The lease under which a source is read."""

    @property
    def epoch(self) -> int:
        """Larger than that of every leader before."""
        ...

    async def renew(self) -> None:
        """Check that it is still held.

        Raises:
            Deposed: It is not.
            Unavailable: The database is away.
        """
        ...


@dataclass(frozen=True, slots=True)
class Attachment:
    """A consumer that is ready for the first pull.

    Attributes:
        stream_created: When the stream was created.
        recorded: The sequence after which messages are new; 0 when all are.
        removed: What left the stream before it was recorded, as far as that is known.
    """

    stream_created: datetime
    recorded: int
    removed: Removed | None


@dataclass(frozen=True)
class Attaching:
    """Attaches to one source.

    Attributes:
        nats: The prefix of streams and subjects.
        source: The stream, and the part of it.
        settings: The ack wait.
        progress: How far the source is recorded.
    """

    nats: NatsSettings
    source: SourceSettings
    settings: IntakeSettings
    progress: Progress

    async def attach(
        self, client: BridgeClient, tenure: Tenure, *, after_gap: bool
    ) -> Attachment:
        """Place the consumer after what is recorded.

        Args:
            client: Connected.
            tenure: Checked before anything is changed.
            after_gap: Whether somebody else has just pulled from the consumer.

        Raises:
            SourceMissing: The stream does not exist.
            AttachError: The stream or the consumer cannot be used as it is.
            Deposed: The lease is lost.
            NotConnected: NATS is away.
            Unavailable: The database is away.
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
                next_step="somebody else has pulled from this consumer: a daemon that lost its "
                "lease a moment ago, or another program. What it took is read again",
            )
            await consumer.wait_until_idle(_FOREIGN_PULL_SECONDS)
        await tenure.renew()
        last = await self.progress(self.source.stream, created, self.source.durable)
        recorded = await self._checked(client, info, last)
        went_back = recorded < last.sequence
        placed = await self._place(consumer, info, found, recorded, went_back=went_back)
        await consumer.remove_superseded(tenure.epoch)
        pending = placed.get("num_pending", 0)
        log.info(
            "intake.attached",
            stream=info.config.name,
            consumer=self.source.durable,
            after=recorded,
            messages=pending,
        )
        if last.sequence == 0 and pending:
            log.warning(
                "intake.reads_history",
                stream=info.config.name,
                messages=pending,
                next_step="this source is read for the first time, from the stream's first "
                "message: each of these messages is recorded, and what routes match is dispatched",
            )
        removed = None
        if self.source.subject is None:
            removed = removed_before(created, recorded, info.state.first_seq)
        return Attachment(created, recorded, removed)

    async def _stream(self, client: BridgeClient) -> tuple[StreamInfo, datetime]:
        stream = self.nats.stream(self.source.stream)
        try:
            info = StreamInfo.from_response(await ask(client, f"STREAM.INFO.{stream}"))
        except RequestRefused as error:
            if error.err_code == api.NO_STREAM:
                raise SourceMissing(
                    f"the NATS stream {stream!r} does not exist; 'ntbridge migrate' declares the "
                    "bridge's own streams",
                ) from error
            raise AttachError(
                f"stream {stream}: {error}",
                f"allow this user to publish to $JS.API.STREAM.INFO.{stream}, and see that "
                "JetStream is enabled",
            ) from error
        if info.created is None:
            raise AttachError(
                f"stream {stream}: the server does not say when it was created",
                "update nats-server",
            )
        return info, info.created

    async def _place(
        self,
        consumer: DurableConsumer,
        info: StreamInfo,
        found: State | None,
        recorded: int,
        *,
        went_back: bool,
    ) -> State:
        if not has_reset(info):
            return await consumer.recreate(recorded + 1)
        retention = info.config.retention
        if found is None:
            await consumer.create()
            return await consumer.reset(begin_at(retention, recorded, None))
        begin = begin_at(retention, recorded, found["ack_floor"]["stream_seq"])
        # A consumer that was created to begin later cannot be reset to before that.
        first = found["config"].get("opt_start_seq", 1)
        if begin < first and went_back and retention == RetentionPolicy.LIMITS:
            return await consumer.recreate(begin)
        return await consumer.reset(max(first, begin))

    async def _checked(self, client: BridgeClient, info: StreamInfo, last: LastRecorded) -> int:
        """Return the last recorded sequence; 0 when the stream is not what it was."""
        if last.sequence == 0:
            return 0
        if last.sequence > info.state.last_seq or not await _is_unchanged(client, info, last):
            log.error(
                "intake.stream_went_back",
                stream=info.config.name,
                recorded=last.sequence,
                last=info.state.last_seq,
                next_step="it was restored, or lost messages in a crash: it is read from its "
                "beginning; what is recorded already is recognised",
            )
            return 0
        return last.sequence


async def _is_unchanged(client: BridgeClient, info: StreamInfo, last: LastRecorded) -> bool:
    """Tell whether the last recorded message is still where it was."""
    if last.arrived_ns is None:
        return True
    stream = info.config.name
    try:
        answer = await ask(client, f"STREAM.MSG.GET.{stream}", {"seq": last.sequence})
    except RequestRefused as error:
        if error.err_code == api.NO_MESSAGE:
            # It expired or was deleted: there is nothing to compare with.
            return True
        raise AttachError(
            f"stream {stream}: {error}",
            f"allow this user to publish to $JS.API.STREAM.MSG.GET.{stream}: the last recorded "
            "message is compared, so that a restored stream is noticed",
        ) from error
    return nanoseconds(answer["message"]["time"]) == last.arrived_ns
