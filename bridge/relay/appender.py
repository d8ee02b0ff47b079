"""`ResultAppender`: appends result events to their stream, for the relay and for a rebuild."""

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
    MessageRefusedError,
    OutgoingMessage,
    Overtaken,
    Publisher,
)
from bridge.jetstream.connection import stream_info
from bridge.relay.chain import StreamEnd, positive, render, tail_of, unpublishable
from bridge.settings.schema import NatsSettings
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.database import Database
from eventstore.events import StoredEvent

log = structlog.get_logger(__name__)

_ATTEMPTS = 50
_TURN_BYTES = 2**20
"""Bytes of event data encoded in one turn of the event loop: 3 to 4 ms a MB."""


class ResultAppender:
    """Encodes result events and appends them to their stream, in the given order.

    An event that cannot be a message (too large, or no subject of the stream) becomes a dead letter
    and does not block others. The letter is committed before a later event is published, because a
    later message states that everything before it is on the stream or set aside.

    Args:
        client: A connected client.
        database: Stores dead letters.
        nats: Prefixes of names on the server.
        stream: The stream's name on the server.
        incarnation: The event store's incarnation.
        known: The end of the stream when it was last read.
        batch: Maximum number of messages in a batch.
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
        known: StreamEnd | None = None,
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
        """The end of the stream, as last read or written by this appender."""
        self._overtaken = 0
        self.appended = 0
        """Number of events that this appender has published."""
        self.set_aside: set[UUID | None] = set()
        """Uids of events that became dead letters."""

    async def resume(self) -> StreamEnd:
        """Read the end of the stream, and continue after it.

        Raises:
            SourceMissing: The stream does not exist.
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
            Overtaken: Another publisher wrote a message; call `resume`.
            NotPublishedError: The stream refused an event; those before it are on the stream.
            NotConnected: NATS did not answer; only the stream shows what was published.
            Unavailable: The database is unavailable.
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
        self, messages: list[OutgoingMessage], events: Sequence[StoredEvent]
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
        """Record what is on the stream now."""
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
        """Continue after messages of other publishers, unless another relay published some.

        Raises:
            Overtaken: Another relay published, or other publishers do not pause.
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
    ) -> tuple[list[OutgoingMessage], list[StoredEvent], list[DeadLetter]]:
        messages: list[OutgoingMessage] = []
        rendered: list[StoredEvent] = []
        refused: list[DeadLetter] = []
        size = 0
        for stored in events:
            size += len(stored.event.data or b"")
            if size > _TURN_BYTES:
                # Lets other tasks run between large events.
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
        """Read the maximum message size again; return whether it has changed."""
        before = self._max_message_bytes
        info = await stream_info(self._client.jetstream(), self._stream)
        self._limit(positive(info.config.max_msg_size))
        return self._max_message_bytes != before

    def _limit(self, of_stream: int | None) -> None:
        of_server = self._client.max_payload
        self._max_message_bytes = min(of_server, of_stream or of_server)
