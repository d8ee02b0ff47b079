"""`MessageLimit`: the maximum size of a result event as a message of the results stream."""

import asyncio
from collections.abc import Sequence

import structlog

from bridge.cloudevents.codec import to_json
from bridge.emit.request import InvalidEmitError
from bridge.errors import EncodeError, NotConnected
from bridge.jetstream.connection import CLIENT_FAULTS, NatsConnection
from bridge.jetstream.publishing import check_size
from bridge.settings.schema import NatsSettings
from eventstore.events import NewEvent

log = structlog.get_logger(__name__)

_REFRESH_SECONDS = 30.0
_CONNECT_SECONDS = 0.1
_ANSWER_SECONDS = 2.0


class MessageLimit:
    """Reads the limit from the server periodically. An emit does not wait for an unreachable server.

    Args:
        connection: The connection to the server.
        nats: The prefix of streams.
    """

    def __init__(self, connection: NatsConnection, nats: NatsSettings) -> None:
        self._connection = connection
        self._stream = nats.stream(nats.streams.results)
        self._lock = asyncio.Lock()
        self._read_at: float | None = None
        self._known: int | None = None

    async def most(self) -> int | None:
        """Return the maximum message size in bytes, including headers; None if it is unknown.

        It is the lesser of the server's ``max_payload`` and the stream's ``max_msg_size``. While
        the server is unreachable, the last known limit applies.
        """
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._read_at is None or now - self._read_at > _REFRESH_SECONDS:
                self._read_at = now
                self._known = await self._read() or self._known
        return self._known

    async def _read(self) -> int | None:
        try:
            client = await self._connection.client(_CONNECT_SECONDS)
            info = await client.jetstream(timeout=_ANSWER_SECONDS).stream_info(self._stream)
        except NotConnected:
            return None
        except CLIENT_FAULTS as error:
            log.warning("emit.limit_unknown", stream=self._stream, error=str(error))
            return None
        limit = info.config.max_msg_size
        if limit is None or limit <= 0:
            return client.max_payload
        return min(limit, client.max_payload)


def check_sizes(events: Sequence[NewEvent], most: int | None) -> None:
    """Check that every event fits into a message of ``most`` bytes; None: the limit is unknown.

    Raises:
        InvalidEmitError: An event does not fit.
    """
    for ordinal, new in enumerate(events):
        try:
            payload = to_json(new.event)
            if most is not None:
                check_size(payload, most)
        except EncodeError as error:
            where = "" if len(events) == 1 else f"event {ordinal}: "
            raise InvalidEmitError(
                f"{where}{error}: store large data elsewhere, and emit its location"
            ) from error
