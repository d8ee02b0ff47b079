"""Publishes messages to a stream in order, each directly after the one before.

The publisher sends **atomic batches** (ADR-50, nats-server 2.12 and later, stream option
``allow_atomic``), one batch in flight. The first message of a batch carries
``Nats-Expected-Last-Sequence``. So the server stores the whole batch directly after the last message
that the publisher knows, or nothing of it. If the server or the stream does not support batches, or
the server refuses a batch for another reason, the publisher sends the messages one at a time, each
with the expected last sequence. Then the error names the one message that the server refuses.

Two faster methods were measured and are not used. Messages chained by
``Nats-Expected-Last-Msg-Id`` make every replica of a replicated stream stop forever when the first
is refused while the others are in flight. Messages that predict their sequences leave gaps when a
message of another publisher takes one of the sequences.

After a lost acknowledgement the caller reads from the stream which messages it stored. The
publisher does not depend on the duplicate window.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.api import Header

from bridge.errors import NotConnected
from bridge.jetstream.publishing import (
    EXPECTED_SEQUENCE,
    WRONG_LAST,
    NotPublishedError,
)
from bridge.lifecycle.crash_points import fault

MAX_BATCH: Final = 1000
"""The server's default limit of messages in one batch."""

_EXPECTED_STREAM: Final = Header.EXPECTED_STREAM.value
_BATCH_ID: Final = "Nats-Batch-Id"
_BATCH_SEQUENCE: Final = "Nats-Batch-Sequence"
_BATCH_COMMIT: Final = "Nats-Batch-Commit"

_MESSAGE_TOO_LARGE: Final = 10054
_HEADERS_TOO_LARGE: Final = 10097
_BATCHES_DISABLED: Final = 10174
_BATCH_TOO_LARGE: Final = 10199

_MIN_BATCH: Final = 8
"""Fewer are published one at a time: on one replica that syncs, a batch takes as long as one."""
_MAX_BATCH_BYTES: Final = 8 * 2**20
_HEADER_BYTES: Final = 320
"""Upper bound of the headers that the publisher adds."""
_PUBACK_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message for NATS. Headers may be added until it is published."""

    subject: str
    headers: dict[str, str]
    payload: bytes

    @property
    def size(self) -> int:
        """Upper bound of the bytes (headers and payload) that the server counts."""
        own = sum(len(name) + len(value.encode()) + 4 for name, value in self.headers.items())
        return own + _HEADER_BYTES + len(self.payload)


class Overtaken(NotPublishedError):  # noqa: N818 - says what happened
    """The stream's last message is not the expected one: read the last sequence and begin again.

    Attributes:
        sequence: Sequence of the stream's last message; None if the server does not name it.
        is_repeat: The stream holds a message with the same message id.
    """

    def __init__(
        self, message: str, *, sequence: int | None = None, is_repeat: bool = False
    ) -> None:
        super().__init__(message)
        self.sequence = sequence
        self.is_repeat = is_repeat


class MessageRefusedError(NotPublishedError):
    """The server refuses the message that follows the `Publisher.published` stored ones.

    Attributes:
        is_size: The message exceeds a size limit, so the server will always refuse it.
    """

    def __init__(self, message: str, *, is_size: bool) -> None:
        super().__init__(message)
        self.is_size = is_size


class _Error(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Ack(msgspec.Struct):
    seq: int = 0
    batch: str = ""
    duplicate: bool = False
    error: _Error | None = None


_read_ack = msgspec.json.Decoder(_Ack).decode


class Publisher:
    """Publishes to one stream. Used by one task; call `begin` first.

    Args:
        client: A connected client.
        stream: The stream's name on the server.
        batch: Maximum number of messages in one batch.
    """

    def __init__(self, client: Client, stream: str, *, batch: int = MAX_BATCH) -> None:
        self._client = client
        self._stream = stream
        self._reconnects = 0
        self.batch = batch
        """Maximum number of messages in one batch; may be changed at any time."""
        self.atomic = False
        """Whether batches are used."""
        self.sequence = 0
        """Sequence of the stream's last message, as far as this publisher knows."""
        self.published = 0
        """How many messages of the latest `publish` call the stream has stored."""

    def begin(self, last_sequence: int, *, atomic: bool) -> None:
        """Begin after the stream's last message.

        Args:
            last_sequence: Sequence of that message.
            atomic: Whether the stream allows atomic batches (``allow_atomic``).
        """
        self.sequence = last_sequence
        self.published = 0
        self.atomic = atomic
        self._reconnects = self._client.stats["reconnects"]

    async def publish(self, messages: Sequence[OutgoingMessage]) -> None:
        """Publish messages and return when the stream has stored all of them.

        Raises:
            Overtaken: Another publisher stored a message in between.
            MessageRefusedError: The server refuses one of the messages.
            NotPublishedError: No stream takes the subject, or the stream has no leader.
            NotConnected: There was no answer; read from the stream which messages it stored.
        """
        self.published = 0
        while self.published < len(messages):
            batch = self._next(messages)
            if len(batch) >= _MIN_BATCH and self.atomic and await self._publish_batch(batch):
                continue
            # A refused batch comes here too: sent alone, the message at fault is identified.
            for message in batch:
                await self._publish_one(message)

    def _next(self, messages: Sequence[OutgoingMessage]) -> Sequence[OutgoingMessage]:
        start = end = self.published
        left = _MAX_BATCH_BYTES
        for message in messages[start : start + self.batch]:
            if message.size > self._client.max_payload:
                # The server closes the connection when it receives a larger message.
                break
            left -= message.size
            if left < 0 and end > start:
                break
            end += 1
        if start == end:
            raise MessageRefusedError(
                f"the message for {messages[start].subject!r} takes {messages[start].size} "
                f"bytes; the server takes {self._client.max_payload}",
                is_size=True,
            )
        return messages[start:end]

    async def _publish_batch(self, batch: Sequence[OutgoingMessage]) -> bool:
        """Publish a batch; return False if the server refused it and stored nothing."""
        identity = uuid4().hex
        headers = self._expected()
        for number, message in enumerate(batch[:-1], start=1):
            headers |= {_BATCH_ID: identity, _BATCH_SEQUENCE: str(number)}
            await self._send(message, headers)
            headers = {}
        fault("relay.staged")
        headers = {_BATCH_ID: identity, _BATCH_SEQUENCE: str(len(batch)), _BATCH_COMMIT: "1"}
        ack = await self._request(batch[-1], headers)
        if ack.error is not None:
            return self._is_refused_whole(ack.error, len(batch))
        if ack.batch != identity:
            # The new leader does not support batches and has stored single messages.
            self.atomic = False
            raise Overtaken(f"the server stored a batch for {self._stream} as single messages")
        self.sequence = ack.seq
        self.published += len(batch)
        return True

    def _is_refused_whole(self, error: _Error, count: int) -> bool:
        """Adapt to the refusal and return False.

        Raises:
            Overtaken: The stream's last message is not the expected one.
        """
        if error.err_code in WRONG_LAST:
            raise _overtaken(error)
        if error.err_code == _BATCHES_DISABLED:
            self.atomic = False
        elif error.err_code == _BATCH_TOO_LARGE:
            self.batch = max(1, count // 2)
        return False

    async def _publish_one(self, message: OutgoingMessage) -> None:
        fault("relay.staged")
        ack = await self._request(message, self._expected())
        if ack.error is not None:
            code = ack.error.err_code
            if code in WRONG_LAST:
                raise _overtaken(ack.error)
            raise MessageRefusedError(
                f"the stream refused: {ack.error.description}",
                is_size=code in (_MESSAGE_TOO_LARGE, _HEADERS_TOO_LARGE),
            )
        if ack.duplicate:
            raise Overtaken(f"the stream {self._stream} has this message", is_repeat=True)
        self.sequence = ack.seq
        self.published += 1

    def _expected(self) -> dict[str, str]:
        return {EXPECTED_SEQUENCE: str(self.sequence), _EXPECTED_STREAM: self._stream}

    async def _send(self, message: OutgoingMessage, headers: Mapping[str, str]) -> None:
        try:
            await self._client.publish(
                message.subject, message.payload, headers={**message.headers, **headers}
            )
        except (NatsError, OSError) as error:
            raise self._lost(error) from error

    async def _request(self, message: OutgoingMessage, headers: Mapping[str, str]) -> _Ack:
        asking = asyncio.ensure_future(
            self._client.request(
                message.subject,
                message.payload,
                timeout=_PUBACK_SECONDS,
                headers={**message.headers, **headers},
            )
        )
        try:
            return _read_ack((await self._answered(asking)).data)
        except NoRespondersError:
            # The server answers the same while a replicated stream elects a leader.
            raise NotPublishedError(f"no stream takes {message.subject!r}") from None
        except (NatsError, OSError) as error:
            raise self._lost(error) from error
        finally:
            asking.cancel()

    async def _answered(self, asking: asyncio.Future[Msg]) -> Msg:
        """Wait for the answer until the connection that sent the request is lost."""
        while True:
            done, _ = await asyncio.wait({asking}, timeout=_LOOK_SECONDS)
            if done:
                return asking.result()
            if self._client.is_closed or self._client.stats["reconnects"] != self._reconnects:
                raise NotConnected("the connection to NATS was lost")

    def _lost(self, error: Exception) -> NotConnected:
        if isinstance(error, TimeoutError):
            return NotConnected(
                f"no acknowledgement from the stream {self._stream} for {_PUBACK_SECONDS:g} s"
            )
        return NotConnected(f"the connection to NATS was lost: {error!r}")


def _overtaken(error: _Error) -> Overtaken:
    # "wrong last sequence: 57"; without a number while a message is being replicated.
    _, _, number = error.description.rpartition(" ")
    return Overtaken(
        f"the stream refused: {error.description}",
        sequence=int(number) if number.isdecimal() else None,
    )
