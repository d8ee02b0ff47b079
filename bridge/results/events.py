"""Result events as a subscriber sees them: from NATS, by correlation, type, workflow, condition."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from bridge.cel import CelExpression
from bridge.cloudevents.codec import decode
from bridge.errors import DecodeError
from bridge.evaluation import Evaluator
from bridge.jetstream.connection import stream_info
from bridge.jetstream.subjects import RESULT_TOPICS, is_readable_subject
from bridge.relay.chain import POSITION_HEADER, position_in
from bridge.relay.late import LATE_HEADER
from bridge.routes.matching import is_prefix_or_equal
from bridge.settings.schema import NatsSettings
from eventstore.events import Event, StoredEvent

log = structlog.get_logger(__name__)

_ENDINGS = frozenset({"completed", "failed"})
_CLOSURES = "results.workflow."
_CLOSED = frozenset({"completed", "failed", "timed-out", "canceled", "terminated"})
"""How a run ends, as the type of its closure says; one that continued as new has not ended."""
_LISTEN_SECONDS = 1.0
_DOUBT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Result:
    """A result event, and the topic it was published on.

    Attributes:
        event: The CloudEvent.
        topic: The NATS subject, without the bridge's prefix.
        position: Its place in the event store; None for what the relay did not publish.
        sequence: Its place in the stream; None when it was read from the store.
        late: Whether it was published out of order, after an operator redrove it.
    """

    event: Event
    topic: str
    position: int | None = None
    sequence: int | None = None
    late: bool = False

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return self.event.type

    @property
    def data(self) -> Any:
        """The data, decoded where it is JSON, else the bytes; None when there is none.

        Raises:
            ValueError: It is declared as JSON, and is not.
        """
        data = self.event.data
        if data is None or not self.event.has_json_data:
            return data
        return msgspec.json.decode(data)

    @property
    def correlation_id(self) -> str:
        """What ties it to the request."""
        return str(self.event.extensions.get("correlationid", ""))

    @property
    def closes(self) -> bool:
        """Whether it tells the end of a run.

        ``results.<domain>.completed`` or ``failed``, which a workflow emits itself, or the
        closure of any run, on ``results.workflow.<name>``.
        """
        if self.topic.startswith(_CLOSURES):
            return self._state in _CLOSED
        return self._last in _ENDINGS

    @property
    def failed(self) -> bool:
        """Whether the run it closes has not completed."""
        if self.topic.startswith(_CLOSURES):
            return self._state != "completed"
        return self._last == "failed"

    @property
    def _last(self) -> str:
        return self.topic.rsplit(".", 1)[-1]

    @property
    def _state(self) -> str:
        # io.quantum-suite.workflow.<state>.v1
        return self.event.type.split(".")[-2] if self.event.type.count(".") else ""


def result_of(stored: StoredEvent) -> Result:
    """Return a stored event as the subscriber would have seen it."""
    return Result(stored.event, stored.topic or "", stored.position)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Conditions that must all hold; those that are None do not count."""

    correlation: str | None = None
    """The id of the event that began it all."""
    type: str | None = None
    """The CloudEvents type, or a prefix of it that ends with ``*``."""
    workflow: str | None = None
    """The type of the workflow that emitted it, or its workflow id."""
    where: CelExpression | None = None
    """CEL over ``event`` and ``data``; where it fails, it does not hold."""

    async def matches(self, result: Result, evaluator: Evaluator) -> bool:
        """Tell whether a result is wanted."""
        event = result.event
        return (
            self.correlation in (None, result.correlation_id)
            and is_prefix_or_equal(self.type, event.type)
            and (self.workflow is None or _is_of(self.workflow, event))
            and (
                self.where is None
                or await evaluator.holds(self.where, result.topic, result.event)
            )
        )


class Results:
    """A subscription to result events, made before it is read.

    `open` returns when the server has noted the subscription: whatever is published
    afterwards will be seen.
    """

    def __init__(self, client: Client, nats: NatsSettings, stream: str) -> None:
        self._client = client
        self._nats = nats
        self._stream = nats.stream(stream)

    async def last_sequence(self) -> int:
        """Return the sequence of the stream's last message.

        Raises:
            SourceMissing: The stream does not exist.
        """
        return (await stream_info(self._client.jetstream(), self._stream)).state.last_seq

    async def position_of(self, sequence: int) -> int:
        """Return the position that a message names; 0 when it is gone, or not the relay's."""
        if not sequence:
            return 0  # of an empty stream, and no number to ask for
        try:
            message = await self._client.jetstream().get_msg(self._stream, sequence)
        except NotFoundError:
            return 0
        return position_in(message.headers, POSITION_HEADER) or 0

    async def open(
        self, since: datetime | None = None, *, first: int | None = None
    ) -> AsyncGenerator[Result]:
        """Subscribe from a time or a sequence on, else from now on, and return the rest.

        The rest ends when the connection does.

        Raises:
            SourceMissing: The stream does not exist.
        """
        js = self._client.jetstream()
        reached = await self.last_sequence()
        policy = DeliverPolicy.NEW if since is None else DeliverPolicy.BY_START_TIME
        if first is not None:
            policy, reached = DeliverPolicy.BY_START_SEQUENCE, first - 1
        subscription = await js.subscribe(
            self._nats.subject(RESULT_TOPICS),
            stream=self._stream,
            ordered_consumer=True,
            config=ConsumerConfig(
                deliver_policy=policy,
                opt_start_seq=first,
                opt_start_time=None if since is None else since.isoformat(),  # type: ignore[arg-type]
            ),
        )

        async def read(reached: int) -> AsyncGenerator[Result]:
            idle_since = asyncio.get_running_loop().time()
            try:
                while not self._client.is_closed:
                    try:
                        message = await subscription.next_msg(_LISTEN_SECONDS)
                    except NatsTimeoutError:
                        now = asyncio.get_running_loop().time()
                        if now - idle_since > _DOUBT_SECONDS:
                            idle_since = now
                            if await self.last_sequence() > reached:
                                break  # the server has forgotten this consumer
                        continue
                    except NatsError as error:
                        log.warning("results.connection_lost", error=str(error))
                        break
                    idle_since = asyncio.get_running_loop().time()
                    reached = message.metadata.sequence.stream
                    result = self._read(message, reached)
                    if result is not None:
                        yield result
            finally:
                with suppress(NatsError, OSError):
                    await subscription.unsubscribe()

        return read(reached)

    def _read(self, message: Msg, sequence: int) -> Result | None:
        """Return the result that a message holds; None when it holds none.

        Decodes on the event loop, 35 ms a MB: for a subscriber's own process and the commands,
        not for the daemon, which reads no results this way.
        """
        headers = message.headers or {}
        topic = self._nats.topic(message.subject)
        if not is_readable_subject(topic):
            log.warning(
                "results.unreadable", sequence=sequence, error="the subject is no readable text"
            )
            return None
        try:
            event = decode(headers, message.data)
        except DecodeError as error:
            # The relay writes no such thing, and somebody else's mistake must not end a watch.
            log.warning("results.unreadable", sequence=sequence, error=str(error))
            return None
        late = LATE_HEADER in headers
        position = position_in(headers, LATE_HEADER if late else POSITION_HEADER)
        return Result(event, topic, position, sequence, late)


def _is_of(workflow: str, event: Event) -> bool:
    """Tell whether an event is of a workflow, by ``/temporal/<namespace>/<type>`` or its id."""
    return event.subject == workflow or event.source.endswith(f"/{quote(workflow, safe='')}")
