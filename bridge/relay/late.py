"""`LateRelay`: publishes, out of order, a result event that the relay had set aside.

The publish states the stream's last sequence, as the relay's does, so the server refuses it if another
writer was faster. The message has the position that the stream has reached, not its own, so the
relay resumes after it. A relay that publishes at that moment is refused once, reads the end of the
stream and resumes.

`LATE_HEADER` has the event's own position and marks it as out of order. Before the publish, the event's
subject is searched for the event, from the time at which it was recorded (less `_CLOCKS_APART`): an
earlier redrive may have lost its acknowledgement, or the relay may have published the event after all.
A message that arrives meanwhile makes the publish fail; the next attempt searches it too.
"""

from contextlib import aclosing
from datetime import timedelta
from types import TracebackType
from typing import Self

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError

from bridge.jetstream.connection import CLIENT_FAULTS, connect_once
from bridge.jetstream.publishing import (
    EXPECTED_SEQUENCE,
    WRONG_LAST,
    NotPublishedError,
)
from bridge.jetstream.reader import StreamReader
from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from bridge.relay.chain import (
    POSITION_HEADER,
    position_in,
    render,
    tail_of,
)
from bridge.settings.schema import NatsSettings
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints

LATE_HEADER = "Ntbridge-Late-Position"

_ATTEMPTS = 40
_CLOCKS_APART = timedelta(hours=1)
_PUBACK_SECONDS = 5.0


class LateRelay:
    """Publishes single result events out of order. Connects for the first one.

    Use as an async context manager.
    """

    def __init__(self, database: Database, store: EventStore, nats: NatsSettings) -> None:
        self._store = store
        self._nats = nats
        self._stream = nats.stream(nats.streams.results)
        self._checkpoints = Checkpoints(database)
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def publish(self, stored: StoredEvent) -> str:
        """Publish an event at the end of the stream; return its subject and sequence.

        Raises:
            NotPublishedError: The relay has not reached it yet, or the stream refused it.
            BridgeError: It still cannot be published, or NATS is unavailable.
        """
        through = await self._checkpoints.load(RELAY_CHECKPOINT) or 0
        if through < stored.position:
            raise NotPublishedError(
                f"the relay has not reached position {stored.position} yet: it will publish "
                "this event itself",
            )
        client = await self._connected()
        try:
            return await self._publish(client, stored, through)
        except CLIENT_FAULTS as error:
            raise NotPublishedError(f"the stream {self._stream} refused: {error}") from error

    async def _publish(self, client: Client, stored: StoredEvent, through: int) -> str:
        js = client.jetstream()
        incarnation = await self._store.incarnation()
        message = render(stored, self._nats, incarnation, client.max_payload)
        tail, looked = None, 0
        for _ in range(_ATTEMPTS):
            tail = await tail_of(js, self._stream, incarnation, tail)
            found = await self._found(client, stored, message.subject, looked, tail.sequence)
            looked = tail.sequence
            if found is None:
                # Only the checkpoint covers messages that were removed.
                reached = through if tail.is_removed or tail.is_empty else stored.position
                headers = {
                    **message.headers,
                    POSITION_HEADER: str(max(tail.position or 0, reached)),
                    LATE_HEADER: str(stored.position),
                    EXPECTED_SEQUENCE: str(tail.sequence),
                }
                found = await _try(js, message.subject, message.payload, headers)
            if found is not None:
                return f"{message.subject}, {self._stream} sequence {found}"
        raise NotPublishedError("the relay publishes without a pause: try again later")

    async def _found(
        self, client: Client, stored: StoredEvent, subject: str, looked: int, through: int
    ) -> int | None:
        """Return the sequence of the event if it is on the stream already, else None.

        An earlier redrive may have lost its acknowledgement, or the relay or a rebuild may have
        published it after a limit was raised.
        """
        messages = StreamReader(client, self._stream).read(
            first=looked + 1,
            through=through,
            since=None if looked else stored.recorded_at - _CLOCKS_APART,
            subject=subject,
            headers_only=True,
        )
        async with aclosing(messages) as found:
            async for sequence, message in found:
                is_late = LATE_HEADER in (message.headers or {})
                name = LATE_HEADER if is_late else POSITION_HEADER
                if position_in(message.headers, name) == stored.position:
                    return sequence
        return None

    async def _connected(self) -> Client:
        if self._client is None:
            self._client = await connect_once(self._nats, "ntbridge dead-letters redrive")
        return self._client


async def _try(
    js: JetStreamContext, subject: str, payload: bytes, headers: dict[str, str]
) -> int | None:
    """Publish and return the sequence; None if another publisher was faster."""
    try:
        ack = await js.publish(subject, payload, timeout=_PUBACK_SECONDS, headers=headers)
    except APIError as error:
        if error.err_code in WRONG_LAST:
            return None
        raise
    return ack.seq
