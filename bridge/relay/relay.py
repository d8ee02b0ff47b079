"""``read → publish → PubAck → checkpoint``: emitted events from the store to NATS, once each.

**No loss, no duplicates, no reordering.** The relay publishes atomic batches, one in flight. The
server stores a batch after the message that the relay expects as the stream's last, or refuses it
(`bridge.jetstream.batch_publisher`). Each message has the store position of its event, so the stream's
last message shows how far the relay came, also after a crash; the relay resumes from there after
every interruption. It does not depend on the duplicate window, so an outage may be longer. A second
relay, or one that was suspended, expects another last message, is refused, and resumes from the
stream too.

The checkpoint, saved beside the publishing, is needed only when the stream's last messages expired or were removed. Messages also
have the store's incarnation: a restored backup would assign positions a second time, and the relay
detects that and stops.

**What stops the relay.** An event that cannot be published (too large, or no subject of the stream)
becomes a dead letter and does not block others. A full or missing stream stops only the relay: events
are stored meanwhile, `Relay.problem` has the server's error, a log line reports it at once and every
minute, the relay tries one message at a time and continues when the stream accepts it. A transient
fault, such as a lost connection or a message of another publisher, is a warning; a second one without
progress in between stops the relay in the same way.
"""

import asyncio
from contextlib import suppress

import structlog
from typing_extensions import override

from bridge.errors import ForeignWriter, SourceMissing
from bridge.jetstream.batch_publisher import MessageRefusedError, Overtaken
from bridge.jetstream.connection import CLIENT_FAULTS, NatsConnection
from bridge.jetstream.publishing import NotPublishedError
from bridge.lifecycle.backoff import doubled
from bridge.lifecycle.crash_points import fault
from bridge.lifecycle.leadership import Leadership
from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from bridge.lifecycle.services import TaskService
from bridge.relay.appender import ResultAppender
from bridge.relay.chain import StreamEnd
from bridge.relay.checkpoint import CheckpointSaver
from bridge.settings.schema import NatsSettings, RelaySettings
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.database import Database
from eventstore.errors import CheckpointMismatch, Deposed, Unavailable
from eventstore.events import Origin
from eventstore.filters import Filter
from eventstore.leases import Lease
from eventstore.store import EventStore
from eventstore.subscription import Batch, Checkpoints

log = structlog.get_logger(__name__)

PAGE = 2000
"""Number of events in a page."""
_PAUSE_SECONDS = 0.5
_MAX_PAUSE_SECONDS = 5.0
_REPEAT_SECONDS = 60.0
_MAX_TRANSIENT_FAULTS = 1
"""Number of consecutive transient faults without progress that are only warnings."""


class Relay(TaskService):
    """Publishes emitted events in position order until stopped. The stream's only writer."""

    def __init__(
        self,
        connection: NatsConnection,
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
        self._stream = nats.stream(nats.streams.results)
        self._began = False
        self._resumed = False
        self._tail: StreamEnd | None = None
        self._appended = 0
        self._faults = 0
        self._stops = 0
        self._logged_at = 0.0
        self.position = 0
        """The store position up to which all events are on NATS or set aside."""
        self.problem: str | None = None
        """The server's error while the stream accepts no messages, else None."""

    @override
    async def run(self) -> None:
        """Publish whenever this daemon is the relay's leader, until stopped."""
        self.ready()
        await self._leadership.run(self._lead, self.stopping)

    async def _lead(self, lease: Lease) -> None:
        """Publish until stopped; after an interruption, resume from the stream."""
        self._tail = None  # the stream may have been rebuilt since an earlier lease
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
            # Cancellation is safe at any point: the stream shows where to resume.
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
            # One such fault is transient. A second one without progress is a fault of the stream,
            # such as a server that does not answer, or contradicts itself, after a full disk.
            self._faults = self._faults + 1 if self._appended == before else 1
            event = "relay.overtaken" if isinstance(error, Overtaken) else "relay.interrupted"
            if self._faults > _MAX_TRANSIENT_FAULTS:
                self._stopped(error)
            else:
                log.warning(event, stream=self._stream, error=str(error) or repr(error))
        except Unavailable as error:
            log.warning("relay.store_unavailable", error=str(error))

    def _stopped(self, error: Exception) -> None:
        """Report that the stream accepts no messages, at once and every minute."""
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
                next_step="events are stored; the relay resumes when the stream accepts messages",
            )

    def _clear_problem(self) -> None:
        """Clear the problem: the stream accepts messages, or there is none to publish."""
        if self.problem is not None:
            log.info("relay.recovered", stream=self._stream)
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
            # After a refusal, single messages: a full stream would refuse a whole batch.
            batch=1 if self._stops else self._settings.window,
            telemetry=self._telemetry,
        )
        self.position = await self._resume(appender)
        self._tail = appender.tail
        self._resumed = True
        if failed_to_resume:
            self._clear_problem()
        if self._began:
            self._telemetry.restarted("relay")
        self._began = True
        log.info("relay.resumed", stream=self._stream, position=self.position)
        saver = CheckpointSaver(self._checkpoints, lease)
        saving = asyncio.create_task(saver.run())
        publishing = asyncio.create_task(self._publish(appender, saver))
        try:
            await asyncio.wait({publishing, saving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (publishing, saving):
                task.cancel()
            await asyncio.gather(publishing, saving, return_exceptions=True)
            # So that the position is known while no relay runs.
            with suppress(Unavailable, Deposed):
                await saver.save()
        for task in (publishing, saving):
            if not task.cancelled():
                task.result()

    async def _publish(self, appender: ResultAppender, saver: CheckpointSaver) -> None:
        where = Filter(origin=Origin.EMITTED)
        async with self._store.subscribe(
            after=self.position, where=where, batch_size=PAGE
        ) as subscription:
            async for batch in subscription.batches():
                await self._pass_on(batch, appender)
                saver.note(batch.through)

    async def _resume(self, appender: ResultAppender) -> int:
        """Return the position to continue after; publish after the stream's last message."""
        tail = await appender.resume()
        if tail.position is not None and tail.position > (head := await self._store.head()):
            raise ForeignWriter(
                f"the stream {self._stream} is at position {tail.position} of the store, which "
                f"ends at {head}: was a backup restored? See 'After a restore' in docs/operating.md"
            )
        if tail.uid is not None and await self._store.get(tail.uid) is None:
            raise ForeignWriter(
                f"the event {tail.uid}, the last one of the stream {self._stream}, is not in the "
                f"store, which may have assigned positions up to {tail.position} to other events: "
                "was a backup restored, or a standby promoted that lacked commits? See 'After a "
                "restore' in docs/operating.md"
            )
        if tail.position is not None and not tail.is_removed:
            return tail.position
        return max(tail.position or 0, await self._checkpoints.load(RELAY_CHECKPOINT) or 0)

    async def _pass_on(self, batch: Batch, appender: ResultAppender) -> None:
        """Publish a page; return when NATS has acknowledged all of it."""
        for start in range(0, len(batch.events), self._settings.window):
            fault("relay.before-publish")
            before = appender.appended
            try:
                await appender.append(batch.events[start : start + self._settings.window])
            finally:
                self._count(appender, before)
        fault("relay.acknowledged")
        self.position = batch.through

    def _count(self, appender: ResultAppender, before: int) -> None:
        if appender.appended == before:
            return
        self._telemetry.relayed(appender.appended - before)
        self._appended += appender.appended - before
        appender.publisher.batch = self._settings.window
        self._clear_problem()
