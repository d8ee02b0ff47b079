"""Result events appended to their stream, by the relay and by a rebuild alike."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import structlog
from nats.aio.client import Client

from bridge import dead_letters
from bridge.dead_letters import DeadLetter
from bridge.errors import EncodeError, SubjectError
from bridge.jetstream.batch_publisher import (
    MAX_BATCH,
    Message,
    MessageRefusedError,
    Overtaken,
    Publisher,
)
from bridge.jetstream.connection import stream_info
from bridge.relay.chain import Tail, positive, render, tail_of, unpublishable
from bridge.settings.schema import NatsSettings
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.database import Database
from eventstore.events import StoredEvent

log = structlog.get_logger(__name__)

_ATTEMPTS = 50
_TURN_BYTES = 2**20
"""Of data rendered in one turn of the event loop: 3 to 4 ms a MB."""


class ResultAppender:
    """Renders result events and appends them to their stream, in the order given.

    What can never be a message (it is too large, or no subject of the stream's) becomes a dead
    letter and holds up nothing. The letter is committed before a later event is published, since
    later messages say that everything before them is on the stream or set aside.

    Args:
        client: Connected.
        database: Where dead letters are kept.
        nats: Names on the server.
        stream: The server's name of the stream.
        incarnation: Of the event store.
        known: Where the stream ended before.
        batch: Most messages of one batch.
        telemetry: Traces publishes.
    """

    def __init__(
        self,
        client: Client,
        database: Database,
        nats: NatsSettings,
        stream: str,
        incarnation: UUID,
        *,
        known: Tail | None = None,
        batch: int = MAX_BATCH,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self._client = client
        self._database = database
        self._nats = nats
        self._stream = stream
        self._incarnation = incarnation
        self._telemetry = telemetry
        self._max_message_bytes = client.max_payload
        self.publisher = Publisher(client, stream, batch=batch)
        self.tail = known
        """Where the stream ends, as far as this appender knows."""
        self._overtaken = 0
        self.appended = 0
        """Events that are on the stream by this appender."""
        self.set_aside: set[UUID | None] = set()
        """Uids of events that became dead letters."""

    async def resume(self) -> Tail:
        """Find where the stream ends, and begin behind that.

        Raises:
            SourceMissing: There is no such stream.
            ForeignWriter: It was written from another store, or by another publisher.
        """
        js = self._client.jetstream()
        tail = await tail_of(js, self._stream, self._incarnation, self.tail)
        self._limit(tail.max_message_bytes)
        self.publisher.begin(tail.sequence, atomic=tail.atomic)
        self.tail = tail
        return tail

    async def append(self, events: Sequence[StoredEvent]) -> None:
        """Append events; return when all are on the stream or set aside.

        Raises:
            Overtaken: Another publisher's message came in between; `resume`.
            NotPublishedError: The stream refuses; what came before is there.
            NotConnected: There was no answer; only the stream knows how far this came.
            Unavailable: The database is away.
        """
        left = events
        while left:
            messages, rendered, refused = await self._rendered(left)
            # A limit may have been raised since it was read.
            if refused and await self._limits_changed():
                continue
            await self._set_aside(refused)
            left = await self._publish(messages, rendered)

    async def _publish(
        self, messages: list[Message], events: Sequence[StoredEvent]
    ) -> Sequence[StoredEvent]:
        """Publish messages; return the events that remain to be published."""
        publisher, problem = self.publisher, None
        try:
            with self._telemetry.relaying(events) as traces:
                for message, trace in zip(messages, traces, strict=False):
                    message.headers.update(trace)
                await publisher.publish(messages)
        except (MessageRefusedError, Overtaken) as error:
            problem = error
        finally:
            self._note(events[: publisher.published])
        left = events[publisher.published :]
        if isinstance(problem, Overtaken):
            await self._begin_behind(problem)
        elif problem is not None:
            if not problem.is_size:
                raise problem
            if not await self._limits_changed():
                await self._set_aside([unpublishable(left[0], problem)])
                return left[1:]
        return left

    def _note(self, events: Sequence[StoredEvent]) -> None:
        """Note what is on the stream now."""
        self.appended += len(events)
        if events and self.tail is not None:
            self._overtaken = 0
            self.tail = replace(
                self.tail,
                sequence=self.publisher.sequence,
                position=events[-1].position,
                is_empty=False,
                is_removed=False,
            )

    async def _begin_behind(self, error: Overtaken) -> None:
        """Begin behind messages of other publishers, unless another relay's are among them.

        Raises:
            Overtaken: They are, or others publish all the time.
        """
        known = self.tail
        self._overtaken += 1
        if known is None or self._overtaken > _ATTEMPTS:
            raise error
        tail = await self.resume()
        if tail.is_removed or tail.position != known.position:
            raise error
        log.warning("relay.overtaken", stream=self._stream, error=str(error))

    async def _rendered(
        self, events: Sequence[StoredEvent]
    ) -> tuple[list[Message], list[StoredEvent], list[DeadLetter]]:
        messages: list[Message] = []
        rendered: list[StoredEvent] = []
        refused: list[DeadLetter] = []
        size = 0
        for stored in events:
            size += len(stored.event.data or b"")
            if size > _TURN_BYTES:
                # Other tasks have a turn between large events.
                await asyncio.sleep(0)
                size = 0
            try:
                message = render(stored, self._nats, self._incarnation, self._max_message_bytes)
            except (EncodeError, SubjectError) as error:
                refused.append(unpublishable(stored, error))
            else:
                messages.append(message)
                rendered.append(stored)
        return messages, rendered, refused

    async def _set_aside(self, letters: Sequence[DeadLetter]) -> None:
        if not letters:
            return
        async with self._database.transaction() as connection:
            await dead_letters.insert(connection, letters)
        self.set_aside |= {letter.uid for letter in letters}
        log.error(
            "relay.set_aside",
            stream=self._stream,
            events=len(letters),
            reason=letters[0].reason,
            next_step="raise the limit, then: ntbridge dead-letters redrive",
        )

    async def _limits_changed(self) -> bool:
        """Read again how large a message may be; return whether that is another size now."""
        before = self._max_message_bytes
        info = await stream_info(self._client.jetstream(), self._stream)
        self._limit(positive(info.config.max_msg_size))
        return self._max_message_bytes != before

    def _limit(self, of_stream: int | None) -> None:
        of_server = self._client.max_payload
        self._max_message_bytes = min(of_server, of_stream or of_server)
