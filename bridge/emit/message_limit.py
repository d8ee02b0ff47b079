"""How large a result event may be: what the stream of results takes as one message."""

import asyncio
from collections.abc import Sequence

import structlog

from bridge.cloudevents.codec import to_json
from bridge.emit.request import InvalidEmitError
from bridge.errors import EncodeError, NotConnected
from bridge.jetstream.connection import CLIENT_FAULTS, Connection
from bridge.jetstream.publishing import check_size
from bridge.settings.schema import NatsSettings, RelaySettings
from eventstore.events import NewEvent

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 30.0
_CONNECT_SECONDS = 0.1
_ANSWER_SECONDS = 2.0


class MessageLimit:
    """Asks the server now and then. An emit does not wait for a server that is away.

    Args:
        connection: To the server.
        nats: The prefix of streams.
        relay: Which stream takes the results.
    """

    def __init__(
        self, connection: Connection, nats: NatsSettings, relay: RelaySettings
    ) -> None:
        self._connection = connection
        self._stream = nats.stream(relay.stream)
        self._lock = asyncio.Lock()
        self._looked: float | None = None
        self._known: int | None = None

    async def most(self) -> int | None:
        """Return how many bytes a message may have, headers included; None if it is not known.

        That is the lesser of the server's ``max_payload`` and the stream's ``max_msg_size``. While
        the server is away the last known number holds.
        """
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._looked is None or now - self._looked > _LOOK_SECONDS:
                self._looked = now
                self._known = await self._look() or self._known
        return self._known

    async def _look(self) -> int | None:
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
    """See that every event can be relayed as a message of ``most`` bytes; None is not known.

    Raises:
        InvalidEmitError: One cannot.
    """
    for ordinal, new in enumerate(events):
        try:
            payload = to_json(new.event)
            if most is not None:
                check_size(payload, most)
        except EncodeError as error:
            where = "" if len(events) == 1 else f"event {ordinal}: "
            raise InvalidEmitError(
                f"{where}{error}: keep large data elsewhere, and emit where it is"
            ) from error
