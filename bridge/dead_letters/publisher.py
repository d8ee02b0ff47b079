"""``dead_letters → publish → PubAck → mark``: a notice on NATS for each dead letter.

The rows are the outbox. A letter is published first and marked afterwards, so a crash in between
repeats a notice and loses none. The repeat has the same ``Nats-Msg-Id``, which the stream drops
within its duplicate window, and the same CloudEvents id, by which receivers recognise it later.
One daemon publishes at a time (a lease), in the order of the letters' numbers; a notice never waits
for the PubAck of a later one.

No other part waits for notices. While the stream is full, missing or unreachable, the letters stay
unmarked; a log line reports it at once and every `_REPEAT_LOG_SECONDS`; publishing resumes when the
stream accepts messages again.
"""

import asyncio
from collections.abc import Sequence

import structlog
from nats.aio.client import Client
from typing_extensions import override

from bridge.cloudevents.codec import encode
from bridge.dead_letters.notices import notice_of, topic_of
from bridge.dead_letters.store import Unnotified, mark_notified, unnotified
from bridge.errors import NotConnected
from bridge.jetstream.connection import CLIENT_FAULTS, NatsConnection
from bridge.jetstream.publishing import MESSAGE_ID, NotPublishedError, publish_message
from bridge.lifecycle.backoff import doubled
from bridge.lifecycle.crash_points import fault
from bridge.lifecycle.leadership import Leadership
from bridge.lifecycle.services import TaskService
from bridge.settings.schema import NatsSettings
from eventstore.database import Database
from eventstore.errors import Unavailable
from eventstore.leases import Lease
from eventstore.store import EventStore

log = structlog.get_logger(__name__)

_BATCH = 100
_POLL_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 15.0
_REPEAT_LOG_SECONDS = 60.0
_CONNECT_SECONDS = 2.0


class DeadLetterNotices(TaskService):
    """Publishes the notices of dead letters until stopped.

    It looks for new ones every ``poll`` seconds, and less often while publishing fails, but at least every
    ``max_pause`` seconds.
    """

    def __init__(
        self,
        connection: NatsConnection,
        database: Database,
        store: EventStore,
        nats: NatsSettings,
        type_prefix: str,
        leadership: Leadership,
        *,
        poll: float = _POLL_SECONDS,
        max_pause: float = _MAX_PAUSE_SECONDS,
    ) -> None:
        super().__init__("dead-letter notices")
        self._poll = poll
        self._max_pause = max_pause
        self._connection = connection
        self._database = database
        self._store = store
        self._nats = nats
        self._type_prefix = type_prefix
        self._leadership = leadership
        self._failures = 0
        self._logged_at = 0.0

    @override
    async def run(self) -> None:
        """Publish whenever this daemon leads, until stopped."""
        self.ready()
        await self._leadership.run(self._lead, self.stopping)

    async def _lead(self, _: Lease) -> None:
        while not self.stopping.is_set():
            more = await self._publish_or_explain()
            if not more:
                await self.pause(doubled(self._poll, self._failures, self._max_pause))

    async def _publish_or_explain(self) -> bool:
        """Publish a batch; return whether there may be more."""
        try:
            letters = await unnotified(self._database, _BATCH)
            if not letters:
                return False
            client = await self._connection.client(_CONNECT_SECONDS)
            await self._publish(client, letters)
        except (NotPublishedError, *CLIENT_FAULTS) as error:
            self._failed(error)
            return False
        except Unavailable as error:
            self.problem = str(error)
            log.warning("dead_letters.store_unavailable", error=str(error))
            return False
        self.problem = None
        if self._failures:
            log.info("dead_letters.notices_resumed")
        self._failures = 0
        return len(letters) == _BATCH

    async def _publish(self, client: Client, letters: Sequence[Unnotified]) -> None:
        incarnation = await self._store.incarnation()
        published: list[int] = []
        try:
            for letter in letters:
                event = notice_of(letter, incarnation, self._type_prefix, letter.correlation_id)
                headers, payload = encode(event)
                headers[MESSAGE_ID] = event.id
                subject = self._nats.subject(topic_of(letter.stage, letter.route))
                await publish_message(client, subject, payload, headers)
                published.append(letter.id)
                fault("dead-letter.published")
        finally:
            # Marks also those published before an error; a crash before this line repeats them.
            await mark_notified(self._database, published)
            fault("dead-letter.marked")
            log.info("dead_letters.notified", letters=len(published))

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self.problem = str(error) or repr(error)
        now = asyncio.get_running_loop().time()
        if self._failures == 1 or now - self._logged_at >= _REPEAT_LOG_SECONDS:
            self._logged_at = now
            level = log.warning if isinstance(error, NotConnected) else log.error
            level(
                "dead_letters.notices_stopped",
                error=str(error) or repr(error),
                next_step="the letters are stored; notices resume when the stream accepts messages",
            )
