"""``read → publish → PubAck → checkpoint``: emitted events from the store to NATS, once each.

**How nothing is lost, doubled or overtaken.** The messages form a chain (`bridge.outbound.pipeline`):
each names its predecessor as what must be the stream's last message when it arrives. Publishes
can therefore be pipelined: when one is lost, or somebody else's comes in between, all behind it
are refused, and the relay resumes. It resumes from the stream itself: each message carries the
store position of its event, so the stream's own last message says how far the relay came,
whatever a crash forgot. The duplicate window plays no part in it, so an outage may be longer
than that. A second relay, or one that was frozen and thawed, finds its predecessor overtaken
and can do no harm.

The checkpoint is only needed when the stream is empty, because its messages grew too old.
The store's incarnation travels along, so that a restored backup, whose positions would count
anew, is noticed instead of being published over.

**What stops it, and what does not.** What cannot be published (its subject is not the stream's,
it is too large) becomes a dead letter and does not hold up the rest. A stream that is full or
missing stops the relay and nothing else: events go on being stored, a line in the log says so
at once and every minute, one message at a time is tried, and it goes on by itself.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext
from typing_extensions import override

from bridge import dead_letters
from bridge.config import NatsSettings, RelaySettings
from bridge.dead_letters import DeadLetter
from bridge.errors import EncodeError, ForeignWriter, SourceMissing, SubjectError
from bridge.faults import fault
from bridge.jetstream import CLIENT_FAULTS, Connection
from bridge.leadership import Leadership
from bridge.outbound.chain import CHECKPOINT, Message, render, tail_of, unpublishable
from bridge.outbound.pipeline import Overtaken, Pipeline
from bridge.outcomes import doubled
from bridge.publishing import NotPublishedError
from bridge.services import TaskService
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.database import Database
from eventstore.errors import CheckpointMismatch, Unavailable
from eventstore.events import Origin, StoredEvent
from eventstore.filters import Filter
from eventstore.leases import Lease
from eventstore.store import EventStore
from eventstore.subscription import Batch, Checkpoints

log = structlog.get_logger(__name__)

PAGE = 2000
"""Large, since each page is waited for to be acknowledged, and has a checkpoint."""
_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0
_SAY_AGAIN_SECONDS = 60.0


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
        self._began = False
        self._most: int | None = None
        self._failures = 0
        self._said_at = 0.0
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
                    await self.pause(
                        doubled(_PAUSE_SECONDS, self._failures, _LONGEST_PAUSE_SECONDS)
                    )
        finally:
            # May be cut anywhere: the stream tells where to go on.
            stopping.cancel()
            if relaying is not None:
                relaying.cancel()
                await asyncio.gather(relaying, return_exceptions=True)

    async def _relay_or_explain(self, lease: Lease) -> None:
        try:
            await self._relay(lease)
        except Overtaken as error:
            log.warning("relay.overtaken", stream=self._stream, error=str(error))
        except (
            *(SourceMissing, ForeignWriter, NotPublishedError),
            CheckpointMismatch,
        ) as error:
            self._stopped(error)
        except CLIENT_FAULTS as error:
            log.warning(
                "relay.interrupted", stream=self._stream, error=str(error) or repr(error)
            )
        except Unavailable as error:
            log.warning("relay.store_unavailable", error=str(error))

    def _stopped(self, error: Exception) -> None:
        """Say that the stream takes nothing, now and every minute."""
        self._failures += 1
        now = asyncio.get_running_loop().time()
        if self._failures == 1 or now - self._said_at >= _SAY_AGAIN_SECONDS:
            self._said_at = now
            log.error(
                "relay.stopped",
                stream=self._stream,
                position=self.position,
                error=str(error),
                next_step="events are stored meanwhile; they follow when the stream takes them",
            )

    async def _relay(self, lease: Lease) -> None:
        client = await self._connection.client()
        incarnation = await self._store.incarnation()
        # After a refusal one at a time is tried, lest a full stream be sent a window of them.
        window = 1 if self._failures else self._settings.window
        async with Pipeline(client, window=window) as pipeline:
            self.position = await self._resume(client.jetstream(), pipeline, incarnation)
            if self._began:
                self._telemetry.restarted("relay")
            self._began = True
            log.info("relay.resumed", stream=self._stream, position=self.position)
            chain = _Chain(pipeline, incarnation, uuid4().hex)
            where = Filter(origin=Origin.EMITTED)
            async with self._store.subscribe(
                after=self.position, where=where, batch_size=PAGE
            ) as subscription:
                async for batch in subscription.batches():
                    await self._pass_on(batch, client, chain, lease)

    async def _resume(self, js: JetStreamContext, pipeline: Pipeline, incarnation: UUID) -> int:
        """Return the position to go on after, and begin a chain behind the stream's last message."""
        tail = await tail_of(js, self._stream, incarnation)
        if tail.position is not None and tail.position > (head := await self._store.head()):
            raise ForeignWriter(
                f"the stream {self._stream} is at position {tail.position} of the store, which "
                f"ends at {head}: was a backup restored? See 'After a restore' in docs/operating.md"
            )
        pipeline.begin(tail.sequence)
        self._most = tail.most
        if tail.position is None:
            return await self._checkpoints.load(CHECKPOINT) or 0
        return tail.position

    async def _pass_on(
        self, batch: Batch, client: Client, chain: "_Chain", lease: Lease
    ) -> None:
        """Publish a batch, wait until NATS has it, and note how far that is."""
        for start in range(0, len(batch.events), self._settings.window):
            await self._publish(
                client, chain, batch.events[start : start + self._settings.window]
            )
        await chain.pipeline.settle()
        fault("relay.acknowledged")
        if chain.pipeline.acked > chain.counted:
            self._went_on(chain)
        await self._checkpoints.save(CHECKPOINT, batch.through, lease)
        fault("relay.checkpointed")
        self.position = batch.through

    def _went_on(self, chain: "_Chain") -> None:
        self._telemetry.relayed(chain.pipeline.acked - chain.counted)
        chain.counted = chain.pipeline.acked
        if self._failures:
            self._failures = 0
            chain.pipeline.window = self._settings.window
            log.info("relay.goes_on", stream=self._stream)

    async def _publish(
        self, client: Client, chain: "_Chain", events: Sequence[StoredEvent]
    ) -> None:
        messages: list[Message] = []
        sent: list[StoredEvent] = []
        refused: list[DeadLetter] = []
        most = min(client.max_payload, self._most or client.max_payload)
        for stored in events:
            try:
                messages.append(render(stored, self._nats, chain.incarnation, most))
            except (EncodeError, SubjectError) as error:
                refused.append(unpublishable(stored, error))
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
            for message, stored in zip(messages, sent, strict=True):
                await chain.pipeline.publish(
                    message.subject,
                    message.payload,
                    message.headers,
                    # Of this chain alone, so that no earlier one's can be taken for it.
                    f"{chain.name}/{stored.position}",
                )
        fault("relay.published")


class _Chain:
    """A chain of messages that is being published, and how far that is accounted for."""

    def __init__(self, pipeline: Pipeline, incarnation: UUID, name: str) -> None:
        self.pipeline = pipeline
        self.incarnation = incarnation
        self.name = name
        self.counted = 0
