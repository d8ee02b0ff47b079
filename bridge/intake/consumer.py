"""Pulls deliveries from one durable consumer.

This does not use nats-py's ``fetch``, which takes a message with a ``Status`` header from a
*publisher* for a control message of the server and drops it or fails; thirty such messages stall a
consumer permanently. Here a message without a ``$JS.ACK.`` reply subject is a control message; a
publisher cannot set that subject.

JetStream redelivers without order. Therefore the consumer is reset (`bridge.intake.attachment`)
whenever the connection or the leader changes; acknowledgements only report progress to the server.

One pull request is open at a time, and the next is sent before the buffer is empty. Requests expire
within seconds and the server sends heartbeats, so a request lost with a connection is detected and
sent again.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from bridge.cloudevents.headers import Headers
from bridge.errors import AttachError, NotConnected, SourceMissing
from bridge.intake.attachment import Attacher
from bridge.intake.lag import Lag, lag_of
from bridge.intake.placement import Removed, UnbrokenRun, removed_before
from bridge.intake.progress import ProgressStore, Tenure
from bridge.intake.seen_through import SeenThrough
from bridge.jetstream.acks import Ack, ack_of, is_delivery
from bridge.jetstream.client import BridgeClient
from bridge.jetstream.connection import CLIENT_FAULTS, NatsConnection
from bridge.settings.schema import IntakeSettings, NatsSettings, SourceSettings

log = structlog.get_logger(__name__)

_EXPIRES_SECONDS = 2.0
_HEARTBEAT_SECONDS = 0.5
_SILENCE_SECONDS = 2.0
_STATUS_HEARTBEAT = "100"
_STATUS_EXPIRED = frozenset({"404", "408"})
_WHOLE = "Batch Completed"
"""Status after the last message of a request with a byte limit."""
_ENOUGH = "Message Size Exceeds MaxBytes"
"""Status when the next message would exceed the request's byte limit."""
_LOOK_SECONDS = 0.5
"""How long `Consumer.next` waits for a delivery."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of one JetStream message."""

    stream: str
    """Without the prefix."""
    stream_created: datetime
    sequence: int
    """The message's sequence in its stream."""
    topic: str
    headers: Mapping[str, str]
    """`bridge.cloudevents.headers.Headers`, without ambiguous headers."""
    payload: bytes
    reply: str
    """The ack subject."""
    arrived_ns: int | None = None
    """When the stream stored the message, in nanoseconds since 1970; None if not known."""


class Consumer:
    """Returns the messages of one source in stream order. Used by one task.

    Args:
        connection: The connection to the source's server.
        nats: The prefix of streams and subjects.
        source: The stream and its subject filter.
        settings: Batch sizes and the ack wait.
        progress: Returns how far the source is recorded.

    Attributes:
        source: The source.
        problem: Why it cannot attach to its source; None if it is attached or has not tried yet.
    """

    def __init__(
        self,
        connection: NatsConnection,
        nats: NatsSettings,
        source: SourceSettings,
        settings: IntakeSettings,
        progress: ProgressStore,
    ) -> None:
        self._connection = connection
        self._nats = nats
        self.source = source
        self._settings = settings
        self._attaching = Attacher(nats, source, settings, progress)
        self._seen = SeenThrough(nats, source, progress)
        self.problem: AttachError | SourceMissing | None = None
        self._epoch = 0
        self._reconnects = 0
        self._buffer: deque[tuple[Msg, Ack]] = deque()
        self._run = UnbrokenRun()
        self._latest = 0
        """The last sequence that was returned or is recorded, or the one before the start."""
        self._removed: list[Removed] = []
        self._arrived = asyncio.Event()
        self._requested = self._asked = 0
        self._oversized = False
        """Whether the next message exceeds the byte limit: it is requested alone, without limit."""
        self._last_heard = 0.0
        self._client: BridgeClient | None = None
        self._subscription: Subscription | None = None
        self._stream_created: datetime | None = None
        self._doubtful = False

    async def next(self, most: int, within: float, tenure: Tenure) -> Sequence[Delivery]:
        """Return up to ``most`` deliveries; none if none arrives within a moment.

        Call it only after all deliveries returned before are recorded.

        Args:
            most: Maximum number of deliveries.
            within: Seconds to wait for a connection.
            tenure: The lease under which the source is read.

        Raises:
            NotConnected: NATS is unavailable; call again, the connection is being restored.
            SourceMissing: The stream does not exist.
            AttachError: The stream or the consumer cannot be used.
            Deposed: The lease is lost; found while attaching, or while progress is stored.
            Unavailable: The database is unavailable; found likewise.
        """
        client = await self._connection.client(within)
        try:
            if self._is_stale(client, tenure.epoch):
                await self._attach(client, tenure)
            await self._ask()
            await self._look(client, tenure)
            if not self._buffer:
                self._arrived.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._arrived.wait()
        except CLIENT_FAULTS as error:
            self._client = None
            raise NotConnected(f"the pull from NATS failed: {error!r}") from error
        return await self._take(most)

    async def ahead(self, most: int, epoch: int) -> Sequence[Delivery]:
        """Return up to ``most`` buffered deliveries while earlier ones are still being recorded.

        Return none if fewer than half as many are buffered: a slow source is recorded in larger
        batches. Return none if the connection or the leader has changed, because the next delivery
        then depends on what is recorded; `next` attaches again.
        """
        client = self._client
        if client is None or len(self._buffer) < most // 2 or self._is_stale(client, epoch):
            return ()
        return await self._take(most)

    def take_removed(self) -> Sequence[Removed]:
        """Return and forget the messages found to have left the stream before they were recorded."""
        removed, self._removed = self._removed, []
        return removed

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge deliveries; never raises, because a lost ack only causes a repeat."""
        client = self._client
        if client is None:
            return
        try:
            for delivery in deliveries:
                await client.publish(delivery.reply, b"+ACK")
        except (NatsError, OSError) as error:
            log.warning("intake.ack_failed", error=str(error), messages=len(deliveries))

    async def _take(self, most: int) -> list[Delivery]:
        taken = [self._buffer.popleft() for _ in range(min(most, len(self._buffer)))]
        if len(taken) == most:
            # There are likely more: request them while these are processed.
            with contextlib.suppress(*CLIENT_FAULTS):
                await self._ask()
        return [self._delivery(message, ack) for message, ack in taken]

    async def lag(self) -> Lag | None:
        """Return how far the consumer is behind its stream; None while it is not attached.

        Raises one of `CLIENT_FAULTS` when NATS does not answer.
        """
        client = self._client
        if client is None:
            return None
        return await lag_of(client, self._nats, self.source)

    async def close(self) -> None:
        """Close the subscription; JetStream delivers buffered messages again."""
        subscription, self._subscription, self._client = self._subscription, None, None
        if subscription is not None:
            with contextlib.suppress(NatsError, OSError):
                await subscription.unsubscribe()

    def _is_stale(self, client: BridgeClient, epoch: int) -> bool:
        return (
            client is not self._client
            or epoch != self._epoch
            or client.stats["reconnects"] != self._reconnects
            or self._doubtful
        )

    async def _attach(self, client: BridgeClient, tenure: Tenure) -> None:
        await self.close()
        self._epoch, self._reconnects = tenure.epoch, client.stats["reconnects"]
        self._buffer.clear()
        self._requested = 0
        self._doubtful = False
        try:
            attached = await self._attaching.attach(client, tenure, after_gap=self._run.broken)
        except (AttachError, SourceMissing) as error:
            self.problem = error
            raise
        self.problem = None
        self._run = UnbrokenRun()
        self._seen.begin()
        self._stream_created = attached.stream_created
        self._latest = attached.recorded
        if attached.removed is not None:
            self._note_removed(attached.removed)
        # Bind the run to the subscription: messages of an earlier subscription are ignored.
        self._subscription = await client.subscribe(
            client.new_inbox(),
            cb=partial(self._on_message, self._run),
            pending_msgs_limit=-1,
            pending_bytes_limit=-1,
        )
        self._client = client

    async def _look(self, client: BridgeClient, tenure: Tenure) -> None:
        if self._buffer or self._stream_created is None:
            return
        removed = await self._seen.look(client, self._stream_created, self._latest, tenure)
        if removed is not None:
            self._removed.append(removed)

    def _note_removed(self, removed: Removed) -> None:
        self._removed.append(removed)
        self._latest = removed.through

    async def _ask(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._requested > 0 and now - self._last_heard > _SILENCE_SECONDS:
            # Neither message nor heartbeat: the request is lost, the server is down or frozen,
            # or the consumer was deleted, which a server may not report.
            self._requested = 0
            self._doubtful = True
            return
        if self._requested > 0 or len(self._buffer) > self._settings.batch // 2:
            return
        wanted = 1 if self._oversized else self._settings.batch
        self._requested = self._asked = wanted
        self._last_heard = now
        request: dict[str, Any] = {
            "batch": wanted,
            **({} if self._oversized else {"max_bytes": self._settings.max_bytes}),
            "expires": int(_EXPIRES_SECONDS * 1e9),
            "idle_heartbeat": int(_HEARTBEAT_SECONDS * 1e9),
        }
        self._oversized = False
        stream = self._nats.source_stream(self.source)
        await self._client_in_use.publish(
            f"{self._nats.source_api(self.source)}.CONSUMER.MSG.NEXT.{stream}.{self.source.durable}",
            json.dumps(request).encode(),
            reply=self._inbox,
        )

    @property
    def _client_in_use(self) -> BridgeClient:
        if self._client is None:
            raise NotConnected("the consumer is not attached to a connection")
        return self._client

    @property
    def _inbox(self) -> str:
        if self._subscription is None:
            raise NotConnected("the consumer is not attached to a connection")
        return self._subscription.subject

    async def _on_message(self, run: UnbrokenRun, message: Msg) -> None:
        if run is not self._run:
            return
        self._last_heard = asyncio.get_running_loop().time()
        if is_delivery(message.reply):
            ack = ack_of(message.reply)
            if run.admits(ack.consumer_sequence):
                self._requested = max(0, self._requested - 1)
                self._buffer.append((message, ack))
            else:
                # Buffered messages precede the gap and may be recorded.
                self._doubtful = True
            self._arrived.set()
            return
        status = (message.headers or {}).get("Status", "")
        if status == _STATUS_HEARTBEAT:
            return
        description = _description(message)
        if description == _WHOLE:
            return
        # Each other status ends the request: expired, byte limit, no messages, consumer deleted.
        unanswered = self._requested == self._asked
        self._requested = 0
        if status in _STATUS_EXPIRED or description == _ENOUGH:
            self._oversized = unanswered and description == _ENOUGH
            # The server sends nothing until the next request: wake `next` to send it.
            self._arrived.set()
            return
        self._doubtful = True
        log.info("intake.pull_ended", status=status, description=description)

    def _delivery(self, message: Msg, ack: Ack) -> Delivery:
        if self._stream_created is None:
            raise SourceMissing("the source stream is not known yet")
        if self.source.subject is None:
            removed = removed_before(self._stream_created, self._latest, ack.sequence)
            if removed is not None:
                self._note_removed(removed)
        self._latest = max(self._latest, ack.sequence)
        return Delivery(
            stream=self.source.stream,
            stream_created=self._stream_created,
            sequence=ack.sequence,
            topic=self._nats.source_topic(self.source, message.subject),
            headers=Headers.of(message.headers),
            payload=message.data,
            reply=message.reply,
            arrived_ns=ack.time_ns,
        )


def _description(message: Msg) -> str:
    return (message.headers or {}).get("Description", "")
