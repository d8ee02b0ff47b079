"""``read → publish → PubAck → checkpoint``: emitted events from the store to NATS, once each.

**How nothing is lost, doubled or overtaken.** Messages go out in atomic batches, one in flight,
each of which the server stores behind the message that the relay knows as the stream's last, or
not at all (`bridge.jetstream.batch_publisher`). Each message carries the store position of its event, so
the stream's own last message says how far the relay came, whatever a crash forgot: after every
interruption the relay resumes from there. The duplicate window plays no part in it, so an outage
may be longer than that. A second relay, or one that was frozen and thawed, expects another last
message than there is, is refused, and resumes from the stream too.

The checkpoint is needed only where the stream's last messages are gone, because they grew too old
or were removed. The store's incarnation travels along, so that a restored backup, whose positions
would be given a second time, is noticed instead of being published over.

**What stops it, and what does not.** What cannot be published (its subject is not the stream's,
it is too large) becomes a dead letter and does not hold up the rest. A stream that is full or
missing stops the relay and nothing else: events are stored meanwhile, `Relay.problem` gives the
server's words, a line in the log says so at once and every minute, one message at a time is
tried, and the relay continues when the stream takes it. A fault that may pass, such as a lost
connection or a message of another publisher, is a warning; the second one without any progress
in between stops the relay in the same sense.
"""

import asyncio

import structlog
from typing_extensions import override

from bridge.errors import ForeignWriter, SourceMissing
from bridge.jetstream.batch_publisher import MessageRefusedError, Overtaken
from bridge.jetstream.connection import CLIENT_FAULTS, Connection
from bridge.jetstream.publishing import NotPublishedError
from bridge.lifecycle.backoff import doubled
from bridge.lifecycle.crash_points import fault
from bridge.lifecycle.leadership import Leadership
from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from bridge.lifecycle.services import TaskService
from bridge.relay.appender import ResultAppender
from bridge.relay.chain import Tail
from bridge.settings.schema import NatsSettings, RelaySettings
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.database import Database
from eventstore.errors import CheckpointMismatch, Unavailable
from eventstore.events import Origin
from eventstore.filters import Filter
from eventstore.leases import Lease
from eventstore.store import EventStore
from eventstore.subscription import Batch, Checkpoints

log = structlog.get_logger(__name__)

PAGE = 2000
"""Events that are read at a time; each page has a checkpoint."""
_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 5.0
_REPEAT_SECONDS = 60.0
_PASSING_FAULTS = 1
"""Faults that may pass, one after another without any progress, that are only a warning."""


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
        self._resumed = False
        self._tail: Tail | None = None
        self._appended = 0
        self._faults = 0
        self._stops = 0
        self._logged_at = 0.0
        self.position = 0
        """The store position up to which everything is on NATS or set aside."""
        self.problem: str | None = None
        """Why the stream takes nothing, in the server's words; None while it does."""

    @override
    async def run(self) -> None:
        """Relay whenever this daemon leads it, until stopped."""
        self.ready()
        await self._leadership.run(self._lead, self.stopping)

    async def _lead(self, lease: Lease) -> None:
        """Relay until stopped; whatever is interrupted is resumed from the stream."""
        self._tail = None  # what was known under an earlier lease may have been rebuilt since
        stopping = asyncio.create_task(self.stopping.wait())
        relaying: asyncio.Task[None] | None = None
        try:
            while not self.stopping.is_set():
                relaying = asyncio.create_task(self._relay_or_explain(lease))
                await asyncio.wait({relaying, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if relaying.done():
                    relaying.result()
                    await self.pause(doubled(_PAUSE_SECONDS, self._stops, _MAX_PAUSE_SECONDS))
        finally:
            # May be cut anywhere: the stream says where to resume.
            stopping.cancel()
            if relaying is not None:
                relaying.cancel()
                await asyncio.gather(relaying, return_exceptions=True)

    async def _relay_or_explain(self, lease: Lease) -> None:
        before = self._appended
        try:
            await self._relay(lease)
        except (SourceMissing, ForeignWriter, CheckpointMismatch, MessageRefusedError) as error:
            self._stopped(error)
        except (NotPublishedError, *CLIENT_FAULTS) as error:
            # One of these passes. The next one without any progress is of the stream's making,
            # such as a server that answers nothing, or contradicts itself, after a full disk.
            self._faults = self._faults + 1 if self._appended == before else 1
            event = "relay.overtaken" if isinstance(error, Overtaken) else "relay.interrupted"
            if self._faults > _PASSING_FAULTS:
                self._stopped(error)
            else:
                log.warning(event, stream=self._stream, error=str(error) or repr(error))
        except Unavailable as error:
            log.warning("relay.store_unavailable", error=str(error))

    def _stopped(self, error: Exception) -> None:
        """Say that the stream takes nothing, now and every minute."""
        self.problem = str(error) or repr(error)
        self._stops += 1
        now = asyncio.get_running_loop().time()
        if self._stops == 1 or now - self._logged_at >= _REPEAT_SECONDS:
            self._logged_at = now
            log.error(
                "relay.stopped",
                stream=self._stream,
                position=self.position,
                error=self.problem,
                next_step="events are stored meanwhile; they follow when the stream takes them",
            )

    def _flows(self) -> None:
        """Note that the stream takes messages, or that nothing is there to prove it does not."""
        if self.problem is not None:
            log.info("relay.goes_on", stream=self._stream)
        self.problem = None
        self._stops = self._faults = 0

    async def _relay(self, lease: Lease) -> None:
        failed_to_resume, self._resumed = not self._resumed, False
        client = await self._connection.client()
        appender = ResultAppender(
            client,
            self._database,
            self._nats,
            self._stream,
            await self._store.incarnation(),
            known=self._tail,
            # After a refusal one at a time is tried, lest a full stream be sent many.
            batch=1 if self._stops else self._settings.window,
            telemetry=self._telemetry,
        )
        self.position = await self._resume(appender)
        self._tail = appender.tail
        self._resumed = True
        if failed_to_resume:
            self._flows()
        if self._began:
            self._telemetry.restarted("relay")
        self._began = True
        log.info("relay.resumed", stream=self._stream, position=self.position)
        where = Filter(origin=Origin.EMITTED)
        async with self._store.subscribe(
            after=self.position, where=where, batch_size=PAGE
        ) as subscription:
            async for batch in subscription.batches():
                await self._pass_on(batch, appender, lease)

    async def _resume(self, appender: ResultAppender) -> int:
        """Return the position to continue after, and begin behind the stream's last message."""
        tail = await appender.resume()
        if tail.position is not None and tail.position > (head := await self._store.head()):
            raise ForeignWriter(
                f"the stream {self._stream} is at position {tail.position} of the store, which "
                f"ends at {head}: was a backup restored? See 'After a restore' in docs/operating.md"
            )
        if tail.uid is not None and await self._store.get(tail.uid) is None:
            raise ForeignWriter(
                f"the event {tail.uid}, the last one of the stream {self._stream}, is not in the "
                f"store, whose events may have got positions up to {tail.position} since: was a "
                "backup restored, or a standby promoted that had not received all commits? See "
                "'After a restore' in docs/operating.md"
            )
        if tail.position is not None and not tail.is_removed:
            return tail.position
        return max(tail.position or 0, await self._checkpoints.load(RELAY_CHECKPOINT) or 0)

    async def _pass_on(self, batch: Batch, appender: ResultAppender, lease: Lease) -> None:
        """Publish a page, and note how far that is when NATS has all of it."""
        for start in range(0, len(batch.events), self._settings.window):
            fault("relay.before-publish")
            before = appender.appended
            try:
                await appender.append(batch.events[start : start + self._settings.window])
            finally:
                self._count(appender, before)
        fault("relay.acknowledged")
        await self._checkpoints.save(RELAY_CHECKPOINT, batch.through, lease)
        fault("relay.checkpointed")
        self.position = batch.through

    def _count(self, appender: ResultAppender, before: int) -> None:
        if appender.appended == before:
            return
        self._telemetry.relayed(appender.appended - before)
        self._appended += appender.appended - before
        appender.publisher.batch = self._settings.window
        self._flows()
