"""Result events as messages of their stream, and where the stream ends.

Every message carries the store position up to which everything is on the stream or set aside.
So the stream itself says where to continue. What must be its last message when the next one
arrives is for `bridge.jetstream.batch_publisher` to say: of two writers, one is refused.
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
from bridge.jetstream.batch_publisher import Message
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
class Tail:
    """Where the stream ends."""

    sequence: int
    """Of the stream's last message, removed or not."""
    position: int | None
    """In the store, of the last message of ours; None when the stream holds none."""
    uid: UUID | None = None
    """Of the event in that message."""
    is_empty: bool = False
    is_removed: bool = False
    """Whether messages at the very end were removed: ours may be among them."""
    max_message_bytes: int | None = None
    """Of headers and payload, where the stream sets a limit of its own."""
    atomic: bool = False
    """Whether the stream takes atomic batches."""
    created: datetime | None = None
    """When the stream was made."""


def render(
    stored: StoredEvent, nats: NatsSettings, incarnation: UUID, max_payload: int
) -> Message:
    """Render an event as a message of the stream.

    Raises:
        EncodeError: It cannot be rendered, or is larger than the server takes.
        SubjectError: Its topic is none of the stream's.
    """
    if stored.topic is None or not matches(RESULT_TOPICS, stored.topic):
        raise SubjectError(f"the topic {stored.topic!r} is not covered by {RESULT_TOPICS!r}")
    subject = check_subject(nats.subject(stored.topic))
    headers, payload = encode(stored.event)
    check_size(payload, max_payload)
    for name in (TRACEPARENT, TRACESTATE):
        began = stored.event.extensions.get(name)
        # Where tracing is on, the hop's own context takes its place. What is longer than W3C Trace
        # Context asks to be carried stays in the event alone: headers count against the limit.
        if isinstance(began, str) and len(began.encode()) <= _MAX_TRACE_BYTES:
            headers[name] = began
    headers[POSITION_HEADER] = str(stored.position)
    headers[INCARNATION_HEADER] = str(incarnation)
    return Message(subject, headers, payload)


async def tail_of(
    js: JetStreamContext, stream: str, incarnation: UUID, known: Tail | None = None
) -> Tail:
    """Return where the stream ends.

    Args:
        js: JetStream.
        stream: The server's name of the stream.
        incarnation: Of the event store.
        known: Where it ended before: only what came since is looked at, so that a publisher who
            writes all the time cannot keep the relay looking for ever.

    Raises:
        SourceMissing: There is no such stream.
        ForeignWriter: It was written from another store, or by another publisher.
    """
    info = await stream_info(js, stream)
    config, sequence = info.config, info.state.last_seq
    if known is not None and (known.created != info.created or known.sequence > sequence):
        known = None  # it was made again, or restored
    last, present = None, sequence
    if info.state.messages:
        after = 0 if known is None else known.sequence
        last, present = await _last_of_ours(js, stream, info.state, after)
    headers = (last and last.headers) or {}
    if last is not None and headers.get(INCARNATION_HEADER) != str(incarnation):
        raise ForeignWriter(
            f"the stream {stream} was written from another event store (incarnation "
            f"{headers.get(INCARNATION_HEADER)}, this one is {incarnation}): was a backup "
            "restored, or do two bridges share the stream? Give this bridge a stream of "
            "its own (nats.prefix), or see 'After a restore' in docs/operating.md",
        )
    position = position_in(headers, POSITION_HEADER)
    if position is None and known is not None and info.state.messages:
        position = known.position
    return Tail(
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
            f"message {message.seq} of the stream {stream} is no result event ({error}): no other "
            "publisher may write to its subjects"
        ) from error


async def _last_of_ours(
    js: JetStreamContext, stream: str, state: StreamState, after: int
) -> tuple[RawStreamMsg | None, int]:
    """Return the last message of ours behind a sequence, and the last sequence not removed."""
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
            next_step="find out who publishes to its subjects: only the relay may",
        )
    if ours is None and first <= last - _LOOK_BACK:
        raise ForeignWriter(
            f"the last {_LOOK_BACK} messages of the stream {stream} are not the relay's; "
            "no other publisher may write to its subjects",
        )
    return ours, last


def position_in(headers: Mapping[str, str] | None, name: str) -> int | None:
    """Return the position that a header names; None if there is none, or it is no position."""
    value = (headers or {}).get(name, "")
    is_number = value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS
    return int(value) if is_number else None


def unpublishable(stored: StoredEvent, error: Exception) -> DeadLetter:
    """Return the letter about an event that cannot be a message of the stream."""
    return DeadLetter(
        stage="relay",
        code="unpublishable",
        reason=str(error),
        uid=stored.uid,
        topic=stored.topic,
        payload=stored.event.data,
    )
