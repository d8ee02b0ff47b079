"""``read → publish → PubAck → checkpoint``: emitted events from the store to NATS, once each.

**How nothing is lost, doubled or overtaken.** Every publish names the stream sequence that
must be the last one when it arrives (``Nats-Expected-Last-Sequence``). Publishes can
therefore be pipelined: when one is lost, all behind it are refused, and the relay resumes.
It resumes from the stream itself: each message carries the store position of its event, so
the stream's own last message says how far the relay came, whatever a crash forgot and
however short the duplicate window is. A second relay, or one that was frozen and thawed,
finds its expected sequence taken and can do no harm.

The checkpoint is only needed when the stream is empty, because its messages grew too old.
The store's incarnation travels along, so that a restored backup, whose positions would count
anew, is noticed instead of being published over.

What cannot be published (its subject is not the stream's, it is too large) becomes a dead
letter and does not hold up the rest.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import PubAck
from nats.js.errors import APIError
from typing_extensions import override

from bridge import dead_letters
from bridge.config import NatsSettings, RelaySettings
from bridge.dead_letters import DeadLetter
from bridge.errors import EncodeError, ForeignWriter, SourceMissing, SubjectError
from bridge.faults import fault
from bridge.jetstream import CLIENT_FAULTS, Connection
from bridge.leadership import Leadership
from bridge.outbound.chain import (
    CHECKPOINT,
    EXPECTED_SEQUENCE_HEADER,
    Message,
    Pipelined,
    render,
    tail_of,
)
from bridge.services import TaskService
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.database import Database
from eventstore.errors import Unavailable
from eventstore.events import Origin, StoredEvent
from eventstore.filters import Filter
from eventstore.leases import Lease
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints

log = structlog.get_logger(__name__)

_PUBACK_SECONDS = 10.0
_PAUSE_SECONDS = 0.5


class Relay(TaskService):
    """Publishes emitted events in position order until stopped. The stream's only writer."""

    def __init__(
        self,
        connection: Connection,
        database: Database,
        store: EventStore,
        nats: NatsSettings,
        settings: RelaySettings,
        leadership: Leadership,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        super().__init__("relay")
        self._connection = connection
        self._database = database
        self._store = store
        self._nats = nats
        self._settings = settings
        self._leadership = leadership
        self._telemetry = telemetry
        self._checkpoints = Checkpoints(database)
        self._stream = nats.stream(settings.stream)
        self._pipeline: tuple[Client, Pipelined] | None = None
        self._sequence = 0
        self._began = False
        self.position = 0
        """The store position up to which everything is on NATS or set aside."""

    @override
    async def run(self) -> None:
        """Relay whenever this daemon leads it, until stopped."""
        self.ready()
        await self._leadership.run(self._lead, self.stopping)

    async def _lead(self, lease: Lease) -> None:
        """Relay until stopped; whatever is interrupted is resumed from the stream."""
        stopping = asyncio.create_task(self.stopping.wait())
        relaying: asyncio.Task[None] | None = None
        try:
            while not self.stopping.is_set():
                relaying = asyncio.create_task(self._relay_or_explain(lease))
                await asyncio.wait({relaying, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if relaying.done():
                    relaying.result()
                    await self.pause(_PAUSE_SECONDS)
        finally:
            # May be cut anywhere: the stream tells where to go on.
            stopping.cancel()
            if relaying is not None:
                relaying.cancel()
                await asyncio.gather(relaying, return_exceptions=True)

    async def _relay_or_explain(self, lease: Lease) -> None:
        try:
            await self._relay(lease)
        except (SourceMissing, ForeignWriter) as error:
            log.error("relay.stopped", stream=self._stream, error=str(error))
        except CLIENT_FAULTS as error:
            log.warning(
                "relay.interrupted", stream=self._stream, error=str(error) or repr(error)
            )
        except Unavailable as error:
            log.warning("relay.store_unavailable", error=str(error))

    async def _relay(self, lease: Lease) -> None:
        client = await self._connection.client()
        js = self._pipelined(client)
        incarnation = await self._store.incarnation()
        self.position = await self._resume(js, incarnation)
        if self._began:
            self._telemetry.restarted("relay")
        self._began = True
        log.info("relay.resumed", stream=self._stream, position=self.position)
        where = Filter(origin=Origin.EMITTED)
        async with self._store.subscribe(after=self.position, where=where) as subscription:
            async for batch in subscription.batches():
                for start in range(0, len(batch.events), self._settings.window):
                    window = batch.events[start : start + self._settings.window]
                    await self._publish(client, js, window, incarnation)
                await self._checkpoints.save(CHECKPOINT, batch.through, lease)
                fault("relay.checkpointed")
                self.position = batch.through

    def _pipelined(self, client: Client) -> Pipelined:
        # Kept as long as the client: each one subscribes to an inbox and never lets go of it.
        if self._pipeline is None or self._pipeline[0] is not client:
            self._pipeline = (client, Pipelined(client))
        return self._pipeline[1]

    async def _resume(self, js: JetStreamContext, incarnation: UUID) -> int:
        """Return the position to go on after, and note the stream's last sequence."""
        tail = await tail_of(js, self._stream, incarnation)
        self._sequence = tail.sequence
        if tail.position is None:
            return await self._checkpoints.load(CHECKPOINT) or 0
        return tail.position

    async def _publish(
        self,
        client: Client,
        js: JetStreamContext,
        events: Sequence[StoredEvent],
        incarnation: UUID,
    ) -> None:
        messages: list[Message] = []
        sent: list[StoredEvent] = []
        refused: list[DeadLetter] = []
        for stored in events:
            try:
                messages.append(render(stored, self._nats, incarnation, client.max_payload))
            except (EncodeError, SubjectError) as error:
                refused.append(_unpublishable(stored, error))
            else:
                sent.append(stored)
        if refused:
            async with self._database.transaction() as connection:
                await dead_letters.insert(connection, refused)
            log.error("relay.set_aside", events=len(refused), reason=refused[0].reason)
        fault("relay.before-publish")
        with self._telemetry.relaying(sent) as traces:
            for message, trace in zip(messages, traces, strict=False):
                message.headers.update(trace)
            await self._publish_chained(js, messages)
        fault("relay.acknowledged")
        self._telemetry.relayed(len(messages))

    async def _publish_chained(self, js: JetStreamContext, messages: Sequence[Message]) -> None:
        first = self._sequence
        acks = []
        try:
            for offset, message in enumerate(messages):
                headers = {**message.headers, EXPECTED_SEQUENCE_HEADER: str(first + offset)}
                acks.append(
                    await js.publish_async(message.subject, message.payload, headers=headers),
                )
            fault("relay.published")
            async with asyncio.timeout(_PUBACK_SECONDS):
                for ack in acks:
                    self._sequence = (await ack).seq
        except APIError as error:
            log.warning("relay.refused", stream=self._stream, error=str(error))
            raise
        finally:
            for ack in acks:
                _forget(ack)


def _forget(ack: asyncio.Future[PubAck]) -> None:
    """Let go of an acknowledgement that nobody waits for any more."""
    if not ack.done():
        ack.cancel()
    elif not ack.cancelled():
        ack.exception()


def _unpublishable(stored: StoredEvent, error: Exception) -> DeadLetter:
    return DeadLetter(
        stage="relay",
        code="unpublishable",
        reason=str(error),
        uid=stored.uid,
        topic=stored.topic,
        payload=stored.event.data,
    )
