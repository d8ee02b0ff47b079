"""`Results`: a subscription to result events on NATS, and the filter for them."""

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
from bridge.runtime.event_types import ENDED, closure_status
from bridge.settings.schema import NatsSettings
from eventstore.events import Event, StoredEvent

log = structlog.get_logger(__name__)

_ENDINGS = frozenset({"completed", "failed"})
_DECLINED = frozenset({"REJECTED", "TIMEOUT"})
"""The ``status`` of a run that ended well, but did not do what it was asked to."""
_LISTEN_SECONDS = 1.0
_DOUBT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Result:
    """A result event, and the topic it was published on.

    Attributes:
        event: The CloudEvent.
        topic: The NATS subject, without the bridge's prefix.
        position: Its position in the event store; None if the relay did not publish it.
        sequence: Its sequence in the stream; None when it was read from the store.
        late: Whether it was published out of order, after a redrive.
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
        """The data: decoded if it is JSON, else its bytes; None when there is none.

        Raises:
            ValueError: It is declared as JSON, but is not valid JSON.
        """
        data = self.event.data
        if data is None or not self.event.has_json_data:
            return data
        return msgspec.json.decode(data)

    @property
    def correlation_id(self) -> str:
        """The id that links it to the request."""
        return str(self.event.extensions.get("correlationid", ""))

    @property
    def closes(self) -> bool:
        """Whether it reports the end of a run.

        True for ``results.<domain>.completed`` or ``failed``, which a workflow emits, and for the
        closure of any run, on ``results.workflow.<name>``.
        """
        status = self._status
        return self._last in _ENDINGS if status is None else status in ENDED

    @property
    def failed(self) -> bool:
        """Whether the run that it closes ended without completing.

        A run that people denied, or did not answer in time, has not completed, although it ended
        as planned: its closing event has the ``status`` ``REJECTED`` or ``TIMEOUT``.
        """
        status = self._status
        if status is not None:
            return status != "completed"
        return self._last == "failed" or (self._last == "completed" and self._is_declined)

    @property
    def _is_declined(self) -> bool:
        try:
            data = self.data
        except ValueError:
            return False
        return isinstance(data, dict) and data.get("status") in _DECLINED

    @property
    def _last(self) -> str:
        return self.topic.rsplit(".", 1)[-1]

    @property
    def _status(self) -> str | None:
        return closure_status(self.event.type, self.topic)


def result_of(stored: StoredEvent) -> Result:
    """Return a stored event in the form in which a subscriber sees it."""
    return Result(stored.event, stored.topic or "", stored.position)


@dataclass(frozen=True, kw_only=True)
class ResultFilter:
    """Conditions that must all hold; a condition that is None always holds."""

    correlation: str | None = None
    """The correlation id: the id of the first event of the chain."""
    type: str | None = None
    """The CloudEvents type, or a prefix of it followed by ``*``."""
    workflow: str | None = None
    """The type of the workflow that emitted it, or its workflow id."""
    where: CelExpression | None = None
    """CEL over ``event`` and ``data``; a condition that fails to evaluate does not hold."""

    async def matches(self, result: Result, evaluator: Evaluator) -> bool:
        """Return whether a result meets all conditions."""
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
    """Subscribes to result events.

    `open` returns after the server has confirmed the subscription: it delivers every event that is
    published after that.
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
        """Return the position in a message's header; 0 if it is gone or not from the relay."""
        if not sequence:
            return 0  # the stream is empty; there is no message 0
        try:
            message = await self._client.jetstream().get_msg(self._stream, sequence)
        except NotFoundError:
            return 0
        return position_in(message.headers, POSITION_HEADER) or 0

    async def open(
        self, since: datetime | None = None, *, first: int | None = None
    ) -> AsyncGenerator[Result]:
        """Subscribe from a time or a sequence on, else from now on; return the events.

        The returned iterator ends when the connection is lost.

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
                                break  # the server has deleted this consumer
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
        """Return the result event in a message; None, with a log line, if it has none.

        Decodes on the event loop, 35 ms a MB. That is acceptable in a subscriber's process and in
        commands; the daemon does not call this.
        """
        headers = message.headers or {}
        topic = self._nats.topic(message.subject)
        if not is_readable_subject(topic):
            log.warning(
                "results.unreadable",
                sequence=sequence,
                error="the subject is not readable text",
            )
            return None
        try:
            event = decode(headers, message.data)
        except DecodeError as error:
            # The relay writes no such message; another program's mistake must not end a watch.
            log.warning("results.unreadable", sequence=sequence, error=str(error))
            return None
        late = LATE_HEADER in headers
        position = position_in(headers, LATE_HEADER if late else POSITION_HEADER)
        return Result(event, topic, position, sequence, late)


def _is_of(workflow: str, event: Event) -> bool:
    """Return whether a workflow emitted an event, by the type in its source or by its subject."""
    return event.subject == workflow or event.source.endswith(f"/{quote(workflow, safe='')}")
