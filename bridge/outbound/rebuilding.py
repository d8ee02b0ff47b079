"""The stream of results made anew from the store, in order, while daemons may run.

1. The relay's lease is taken from whoever holds it, which ends its work within seconds; they
   are waited for.
2. The relay's checkpoint is set before the first event. A relay that resumes on an empty stream
   begins there; so if this is killed, the next relay goes on with it.
3. The stream is emptied (or made, if it is gone). Sequences go on where they were, so that
   durable consumers stay, and see everything again.
4. The events are published as the relay renders them, in a chain. Its first message names the
   stream's last sequence: a message that a relay still had in hand is refused from then on, and
   one that came before it is removed by emptying the stream once more.
5. The lease is given back, and a relay resumes behind the last message.

A relay that was frozen, and thaws, may publish meanwhile, until it notices step 1: it then does
what is done here, the next events in order behind the stream's last message, and this goes on
behind them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import structlog
from nats.aio.client import Client

from bridge import dead_letters
from bridge.config import NatsSettings, RelaySettings
from bridge.errors import EncodeError, SourceMissing, SubjectError
from bridge.jetstream import STREAMS, declare_streams, stream_info
from bridge.leadership import RENEW_SECONDS, TTL_SECONDS, kept
from bridge.outbound.chain import CHECKPOINT, render, tail_of, unpublishable
from bridge.outbound.pipeline import Overtaken, Pipeline
from eventstore.database import Database
from eventstore.events import Origin, StoredEvent
from eventstore.filters import Filter
from eventstore.leases import Lease, Leases
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints

log = structlog.get_logger(__name__)

_LEASE = "relay"
_ATTEMPTS = 20


class Rebuilder:
    """Makes the stream of results anew.

    Args:
        client: Connected, and not one that reconnects by itself.
        database: Where lease and checkpoint are.
        store: What is published.
        nats: Names on the server.
        relay: Which stream.
        who: Who asks for it, for people to read.
        advanced: Told of how many events more are on the stream.
    """

    def __init__(
        self,
        client: Client,
        database: Database,
        store: EventStore,
        nats: NatsSettings,
        relay: RelaySettings,
        *,
        who: str,
        advanced: Callable[[int], None],
    ) -> None:
        self._client = client
        self._database = database
        self._store = store
        self._nats = nats
        self._relay = relay
        self._stream = nats.stream(relay.stream)
        self._who = who
        self._advanced = advanced
        self._checkpoints = Checkpoints(database)
        self._epoch = 0

    async def rebuild(self, after: int, through: int) -> int:
        """Publish the emitted events of ``(after, through]`` to the emptied stream.

        Returns:
            How many of them could not be published; their dead letters say why.

        Raises:
            Deposed: Somebody else has taken the relay's lease.
            NotPublishedError: The stream refuses; what came before is there, and the relay, or
                another rebuild, goes on.
            NotConnected: NATS is away.
            Unavailable: The database is away.
        """
        async with self._alone() as lease, Pipeline(self._client) as pipeline:
            self._epoch = lease.epoch
            await self._checkpoints.save(CHECKPOINT, after, lease)
            refused = await self._publish_all(pipeline, after, through)
            await self._checkpoints.save(CHECKPOINT, through, lease)
        return refused

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[Lease]:
        leases = Leases(self._database)
        held = await leases.held(_LEASE)
        lease = await leases.depose(_LEASE, self._who, TTL_SECONDS)
        log.info("relay.deposed", holder=held.get(_LEASE), epoch=lease.epoch)
        async with kept(lease):
            if held:
                # A relay that is alive looks at its lease in this time, and stops.
                await asyncio.sleep(2 * RENEW_SECONDS)
            yield lease

    async def _publish_all(self, pipeline: Pipeline, after: int, through: int) -> int:
        refused: set[int] = set()
        begun = False
        for _ in range(_ATTEMPTS):
            position = await self._begin(pipeline, after, begun=begun)
            try:
                await self._publish(pipeline, position, through, refused)
            except Overtaken as error:
                log.info("relay.rebuild_overtaken", error=str(error))
                begun = begun or pipeline.acked > 0
            else:
                return len(refused)
        raise Overtaken(f"somebody else keeps publishing to {self._stream}: stop that first")

    async def _begin(self, pipeline: Pipeline, after: int, *, begun: bool) -> int:
        """Begin a chain, and return the position to go on after.

        Only behind a message of this rebuild is what a relay has added in its right place.
        """
        js = self._client.jetstream()
        if begun:
            tail = await tail_of(js, self._stream, await self._store.incarnation())
            pipeline.begin(tail.sequence)
            return after if tail.position is None else tail.position
        try:
            await stream_info(js, self._stream)
        except SourceMissing:
            plans = [plan for plan in STREAMS if plan.name == self._relay.stream]
            await declare_streams(js, self._nats, plans)
        await js.purge_stream(self._stream)
        pipeline.begin((await stream_info(js, self._stream)).state.last_seq)
        return after

    async def _publish(
        self, pipeline: Pipeline, after: int, through: int, refused: set[int]
    ) -> None:
        incarnation = await self._store.incarnation()
        where = Filter(origin=Origin.EMITTED)
        events = self._store.read_all(after=after, through=through, where=where)
        async with aclosing(events) as found:
            async for stored in found:
                try:
                    message = render(stored, self._nats, incarnation, self._client.max_payload)
                except (EncodeError, SubjectError) as error:
                    await self._set_aside(stored, error)
                    refused.add(stored.position)
                    continue
                # An id of its own: the relay's may still be in the duplicate window.
                message_id = f"rebuild/{self._epoch}/{stored.position}"
                await pipeline.publish(
                    message.subject, message.payload, message.headers, message_id
                )
                self._advanced(1)
        await pipeline.settle()

    async def _set_aside(self, stored: StoredEvent, error: Exception) -> None:
        """Keep it as the relay does, which has usually done so already."""
        async with self._database.transaction() as connection:
            await dead_letters.insert(connection, [unpublishable(stored, error)])
