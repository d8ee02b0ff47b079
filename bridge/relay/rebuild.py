"""`Rebuilder`: rebuilds the results stream from the store, in order, while daemons may run.

1. Take the relay's lease from its holder, and wait the few seconds in which the holder stops.
2. Set the relay's checkpoint before the first event. A relay that resumes on an empty stream starts
   there; if the rebuild is killed, the next relay continues it.
3. Empty the stream (or create it, if it is missing). Sequences continue, so durable consumers stay
   valid and receive everything again.
4. Publish the events as the relay does (`bridge.relay.appender`), after the stream's last sequence:
   from then on the server refuses a batch that a relay still had, and a batch that came earlier is
   removed by emptying the stream once more.
5. Release the lease; a relay resumes after the last message.

A relay that was suspended may publish meanwhile, until it notices step 1. It does the same as the
rebuild, the next events in order after the stream's last message; the rebuild continues after them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

import structlog
from nats.aio.client import Client
from nats.js.errors import APIError

from bridge.errors import SourceMissing
from bridge.jetstream.batch_publisher import MAX_BATCH, Overtaken
from bridge.jetstream.connection import stream_info
from bridge.jetstream.own_streams import declare_streams, results_stream
from bridge.jetstream.publishing import NotPublishedError
from bridge.jetstream.stream_options import allow_batches
from bridge.lifecycle.leadership import RENEW_SECONDS, TTL_SECONDS, kept
from bridge.lifecycle.lease_names import RELAY, RELAY_CHECKPOINT
from bridge.relay.appender import ResultAppender
from bridge.settings.schema import NatsSettings, RelaySettings
from eventstore.database import Database
from eventstore.events import Origin, StoredEvent
from eventstore.filters import Filter
from eventstore.leases import Lease, Leases
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints

log = structlog.get_logger(__name__)

_ATTEMPTS = 20


class Rebuilder:
    """Rebuilds the results stream.

    Args:
        client: A connected client that does not reconnect automatically.
        database: Holds the lease and the checkpoint.
        store: The events to publish.
        nats: Prefixes of names on the server.
        relay: The stream's settings.
        bodies: Returns events with their archived bodies.
        who: The person or program that asks for it, as the lease's owner.
        advanced: Called with the number of events published since its last call.
    """

    def __init__(
        self,
        client: Client,
        database: Database,
        store: EventStore,
        nats: NatsSettings,
        relay: RelaySettings,
        *,
        bodies: Callable[[Sequence[StoredEvent]], Awaitable[list[StoredEvent]]],
        who: str,
        advanced: Callable[[int], None],
    ) -> None:
        self._client = client
        self._bodies = bodies
        self._database = database
        self._store = store
        self._nats = nats
        self._relay = relay
        self._stream = nats.stream(nats.streams.results)
        self._who = who
        self._advanced = advanced
        self._checkpoints = Checkpoints(database)

    async def rebuild(self, after: int, through: int) -> int:
        """Publish the emitted events of ``(after, through]`` to the emptied stream.

        Returns:
            How many of them could not be published; their dead letters give the reasons.

        Raises:
            Deposed: Another process has taken the relay's lease.
            NotPublishedError: The stream refused an event; those before it are on the stream, and
                the relay or another rebuild continues.
            NotConnected: NATS is unavailable.
            Unavailable: The database is unavailable.
        """
        async with self._alone() as lease:
            await self._checkpoints.save(RELAY_CHECKPOINT, after, lease)
            refused = await self._publish_all(after, through)
            await self._checkpoints.save(RELAY_CHECKPOINT, through, lease)
        return refused

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Lease]:
        leases = Leases(self._database)
        held = await leases.held(RELAY)
        lease = await leases.depose(RELAY, self._who, TTL_SECONDS)
        log.info("relay.deposed", holder=held.get(RELAY), epoch=lease.epoch)
        async with kept(lease):
            if held:
                # A running relay checks its lease within this time, and stops.
                await asyncio.sleep(2 * RENEW_SECONDS)
            yield lease

    async def _publish_all(self, after: int, through: int) -> int:
        appender = ResultAppender(
            self._client,
            self._database,
            self._nats,
            self._stream,
            await self._store.incarnation(),
        )
        for _ in range(_ATTEMPTS):
            # What a relay has added is in order only after a message of this rebuild.
            position = (
                await self._resume(appender, after)
                if appender.appended
                else await self._empty(appender, after)
            )
            try:
                await self._publish(appender, position, through)
            except Overtaken as error:
                log.info("relay.rebuild_overtaken", error=str(error))
            else:
                return len(appender.set_aside)
        raise Overtaken(f"another publisher writes to {self._stream}: stop that first")

    async def _empty(self, appender: ResultAppender, after: int) -> int:
        js = self._client.jetstream()
        try:
            await stream_info(js, self._stream)
        except SourceMissing:
            await declare_streams(js, self._nats, [results_stream(self._nats)])
            await allow_batches(self._client, [self._stream])
        for _ in range(_ATTEMPTS):
            try:
                await js.purge_stream(self._stream)
            except APIError as error:
                raise NotPublishedError(
                    f"the stream {self._stream} cannot be emptied: {error.description}"
                ) from error
            appender.tail = None
            tail = await appender.resume()
            # A relay that was suspended may have published in between, out of order.
            if tail.position is None:
                return after
        raise Overtaken(f"another publisher writes to {self._stream}: stop that first")

    async def _resume(self, appender: ResultAppender, after: int) -> int:
        tail = await appender.resume()
        return after if tail.position is None else tail.position

    async def _publish(self, appender: ResultAppender, after: int, through: int) -> None:
        where = Filter(origin=Origin.EMITTED)
        events = self._store.read_all(after=after, through=through, where=where)
        async with aclosing(events) as found:
            async for batch in _batched(found):
                before = appender.appended
                # Without bodies are those that were erased: they are left out.
                whole = [each for each in await self._bodies(batch) if each.removal is None]
                try:
                    await appender.append(whole)
                finally:
                    self._advanced(appender.appended - before)


async def _batched(events: AsyncIterator[StoredEvent]) -> AsyncIterator[list[StoredEvent]]:
    batch: list[StoredEvent] = []
    async for stored in events:
        batch.append(stored)
        if len(batch) == MAX_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
