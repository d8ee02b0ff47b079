"""Result events as messages of their stream, and the end of the stream.

A header of every message has the store position up to which all events are on the stream or set
aside, so the stream shows where to continue. `bridge.jetstream.batch_publisher` states the last message
that the stream must have when the next one arrives: of two writers, the server refuses one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg, StreamState
from nats.js.errors import NotFoundError

from bridge.cloudevents.codec import decode, encode
from bridge.dead_letters import DeadLetter
from bridge.errors import DecodeError, ForeignWriter, SubjectError
from bridge.jetstream.batch_publisher import OutgoingMessage
from bridge.jetstream.connection import stream_info
from bridge.jetstream.publishing import check_size
from bridge.jetstream.subjects import RESULT_TOPICS, check_subject, matches
from bridge.runtime.propagation import TRACEPARENT, TRACESTATE
from bridge.settings.schema import NatsSettings
from eventstore.events import StoredEvent

log = structlog.get_logger(__name__)

POSITION_HEADER = "Ntbridge-Position"
INCARNATION_HEADER = "Ntbridge-Incarnation"

_LOOK_BACK = 1000
_MAX_DIGITS = 18
_MAX_TRACE_BYTES = 512


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The end of the stream."""

    sequence: int
    """The stream's last sequence, even if that message was removed."""
    position: int | None
    """The store position in the relay's last message; None when the stream has none."""
    uid: UUID | None = None
    """The uid of the event in that message."""
    is_empty: bool = False
    is_removed: bool = False
    """Whether the last messages were removed; some may have been the relay's."""
    max_message_bytes: int | None = None
    """The stream's own limit for headers and payload, if it has one."""
    atomic: bool = False
    """Whether the stream accepts atomic batches."""
    created: datetime | None = None
    """When the stream was created."""


def render(
    stored: StoredEvent, nats: NatsSettings, incarnation: UUID, max_payload: int
) -> OutgoingMessage:
    """Encode an event as a message of the stream.

    Raises:
        EncodeError: It cannot be encoded, or is larger than the server accepts.
        SubjectError: The stream does not cover its topic.
    """
    if stored.topic is None or not matches(RESULT_TOPICS, stored.topic):
        raise SubjectError(f"the topic {stored.topic!r} is not covered by {RESULT_TOPICS!r}")
    subject = check_subject(nats.subject(stored.topic))
    headers, payload = encode(stored.event)
    check_size(payload, max_payload)
    for name in (TRACEPARENT, TRACESTATE):
        began = stored.event.extensions.get(name)
        # With tracing on, the relay's own trace context replaces this one. A value longer than W3C
        # Trace Context requires stays in the event only: headers count against the size limit.
        if isinstance(began, str) and len(began.encode()) <= _MAX_TRACE_BYTES:
            headers[name] = began
    headers[POSITION_HEADER] = str(stored.position)
    headers[INCARNATION_HEADER] = str(incarnation)
    return OutgoingMessage(subject, headers, payload)


async def tail_of(
    js: JetStreamContext, stream: str, incarnation: UUID, known: StreamEnd | None = None
) -> StreamEnd:
    """Return the end of the stream.

    Args:
        js: JetStream.
        stream: The stream's name on the server.
        incarnation: The event store's incarnation.
        known: Its end when it was last read: only later messages are read, so a publisher that
            writes continuously cannot keep the relay reading forever.

    Raises:
        SourceMissing: The stream does not exist.
        ForeignWriter: It was written from another store, or by another publisher.
    """
    info = await stream_info(js, stream)
    config, sequence = info.config, info.state.last_seq
    if known is not None and (known.created != info.created or known.sequence > sequence):
        known = None  # the stream was created again, or restored
    last, present = None, sequence
    if info.state.messages:
        after = 0 if known is None else known.sequence
        last, present = await _last_of_ours(js, stream, info.state, after)
    headers = (last and last.headers) or {}
    if last is not None and headers.get(INCARNATION_HEADER) != str(incarnation):
        raise ForeignWriter(
            f"the stream {stream} was written from another event store (incarnation "
            f"{headers.get(INCARNATION_HEADER)}, this one is {incarnation}): was a backup "
            "restored, or do two bridges share the stream? Give this bridge its own stream "
            "(nats.prefix), or see 'After a restore' in docs/operating.md",
        )
    position = position_in(headers, POSITION_HEADER)
    if position is None and known is not None and info.state.messages:
        position = known.position
    return StreamEnd(
        sequence,
        position,
        None if last is None else _uid_in(stream, last),
        is_empty=not info.state.messages,
        is_removed=present < sequence,
        max_message_bytes=positive(config.max_msg_size),
        atomic=bool(config.allow_atomic),
        created=info.created,
    )


def positive(limit: int | None) -> int | None:
    """Return a limit of a stream, None where there is none."""
    return limit if limit is not None and limit > 0 else None


def _uid_in(stream: str, message: RawStreamMsg) -> UUID:
    try:
        return decode(message.headers, message.data or b"").uid
    except DecodeError as error:
        raise ForeignWriter(
            f"message {message.seq} of the stream {stream} is not a result event ({error}): only "
            "the relay may publish to its subjects"
        ) from error


async def _last_of_ours(
    js: JetStreamContext, stream: str, state: StreamState, after: int
) -> tuple[RawStreamMsg | None, int]:
    """Return the relay's last message after a sequence, and the last sequence not removed."""
    try:
        message = await js.get_last_msg(stream, ">")
    except NotFoundError:
        return None, 0  # removed since
    last = message.seq or state.last_seq
    first = max(state.first_seq, after + 1)
    foreign: list[int] = []
    ours: RawStreamMsg | None = None
    for sequence in range(last, max(first, last - _LOOK_BACK) - 1, -1):
        if sequence != last:
            try:
                message = await js.get_msg(stream, sequence)
            except NotFoundError:
                continue
        if position_in(message.headers, POSITION_HEADER) is not None:
            ours = message
            break
        foreign.append(sequence)
    if foreign:
        log.error(
            "relay.foreign_messages",
            stream=stream,
            count=len(foreign),
            first=foreign[-1],
            last=foreign[0],
            next_step="stop the other publisher: only the relay may publish to these subjects",
        )
    if ours is None and first <= last - _LOOK_BACK:
        raise ForeignWriter(
            f"the last {_LOOK_BACK} messages of the stream {stream} are not the relay's: "
            "only the relay may publish to its subjects",
        )
    return ours, last


def position_in(headers: Mapping[str, str] | None, name: str) -> int | None:
    """Return the position in a header; None if the header is absent or not a position."""
    value = (headers or {}).get(name, "")
    is_number = value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS
    return int(value) if is_number else None


def unpublishable(stored: StoredEvent, error: Exception) -> DeadLetter:
    """Return the dead letter of an event that cannot be a message of the stream."""
    return DeadLetter(
        stage="relay",
        code="unpublishable",
        reason=str(error),
        uid=stored.uid,
        topic=stored.topic,
        payload=stored.event.data,
    )
