"""Result events as a subscriber sees them: live from NATS, by correlation and type."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import ConsumerConfig, DeliverPolicy

from bridge.cloudevents import decode
from bridge.config import NatsSettings
from bridge.jetstream import stream_info
from eventstore.events import Event

_TOPICS = "results.>"
_CLOSING = frozenset({"completed", "failed"})
_LISTEN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """A result event, and the topic it was published on."""

    event: Event
    topic: str

    @property
    def correlation_id(self) -> str:
        """What ties it to the request."""
        return str(self.event.extensions.get("correlationid", ""))

    @property
    def closes(self) -> bool:
        """Whether it tells the end of its run: ``results.<domain>.completed`` or ``failed``."""
        return self.topic.rsplit(".", 1)[-1] in _CLOSING

    @property
    def failed(self) -> bool:
        """Whether the run it closes has failed."""
        return self.topic.endswith(".failed")


class Results:
    """A subscription to result events, made before it is read.

    `open` returns when the server has noted the subscription: whatever is published
    afterwards will be seen.
    """

    def __init__(self, client: Client, nats: NatsSettings, stream: str) -> None:
        self._client = client
        self._nats = nats
        self._stream = nats.stream(stream)

    async def open(self, since: datetime | None = None) -> AsyncIterator[Result]:
        """Subscribe from ``since``, or from now on, and return the endless rest.

        Raises:
            SourceMissing: The stream does not exist.
        """
        js = self._client.jetstream()
        await stream_info(js, self._stream)
        policy = DeliverPolicy.NEW if since is None else DeliverPolicy.BY_START_TIME
        subscription = await js.subscribe(
            self._nats.subject(_TOPICS),
            stream=self._stream,
            ordered_consumer=True,
            config=ConsumerConfig(
                deliver_policy=policy,
                opt_start_time=None if since is None else since.isoformat(),  # type: ignore[arg-type]
            ),
        )

        async def read() -> AsyncIterator[Result]:
            while True:
                try:
                    message = await subscription.next_msg(_LISTEN_SECONDS)
                except NatsTimeoutError:
                    continue
                event = decode(message.headers, message.data)
                yield Result(event, self._nats.topic(message.subject))

        return read()
