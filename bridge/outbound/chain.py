"""Result events as messages of their stream, and where the stream ends.

Every message carries the store position up to which everything is on the stream or set aside.
So the stream itself says where to continue. What must be its last message when the next one
arrives is for `bridge.outbound.publisher` to say: of two writers, one is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg, StreamState
from nats.js.errors import NotFoundError

from bridge.cloudevents import encode
from bridge.config import NatsSettings
from bridge.dead_letters import DeadLetter
from bridge.errors import ForeignWriter, SubjectError
from bridge.jetstream import stream_info
from bridge.operating.propagation import TRACEPARENT, TRACESTATE
from bridge.outbound.publisher import Message
from bridge.publishing import check_size
from bridge.subjects import RESULT_TOPICS, check_subject, matches
from eventstore.events import StoredEvent

log = structlog.get_logger(__name__)

POSITION_HEADER = "Ntbridge-Position"
INCARNATION_HEADER = "Ntbridge-Incarnation"
CHECKPOINT = "relay"
"""The name of the relay's checkpoint: what is at or below it is on the stream or set aside."""

_LOOK_BACK = 1000
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the stream ends."""

    sequence: int
    """Of the stream's last message, removed or not."""
    position: int | None
    """In the store, of the last message of ours; None when the stream holds none."""
    is_empty: bool = False
    is_removed: bool = False
    """Whether messages at the very end were removed: ours may be among them."""
    max_message_bytes: int | None = None
    """Of headers and payload, where the stream sets a limit of its own."""
    atomic: bool = False
    """Whether the stream takes atomic batches."""


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
        # The hop's own context takes its place where somebody traces.
        if isinstance(began := stored.event.extensions.get(name), str):
            headers[name] = began
    headers[POSITION_HEADER] = str(stored.position)
    headers[INCARNATION_HEADER] = str(incarnation)
    return Message(subject, headers, payload)


async def tail_of(js: JetStreamContext, stream: str, incarnation: UUID) -> Tail:
    """Return where the stream ends.

    Raises:
        SourceMissing: There is no such stream.
        ForeignWriter: It was written from another store, or by another publisher.
    """
    info = await stream_info(js, stream)
    config, sequence = info.config, info.state.last_seq
    last, present = None, sequence
    if info.state.messages:
        last, present = await _last_of_ours(js, stream, info.state)
    headers = (last and last.headers) or {}
    if last is not None and headers.get(INCARNATION_HEADER) != str(incarnation):
        raise ForeignWriter(
            f"the stream {stream} was written from another event store (incarnation "
            f"{headers.get(INCARNATION_HEADER)}, this one is {incarnation}): was a backup "
            "restored, or do two bridges share the stream? Give this bridge a stream of "
            "its own (nats.prefix), or see 'After a restore' in docs/operating.md",
        )
    return Tail(
        sequence,
        position_in(headers, POSITION_HEADER),
        is_empty=not info.state.messages,
        is_removed=present < sequence,
        max_message_bytes=positive(config.max_msg_size),
        atomic=bool(config.allow_atomic),
    )


def positive(limit: int | None) -> int | None:
    """Return a limit of a stream, None where there is none."""
    return limit if limit is not None and limit > 0 else None


async def _last_of_ours(
    js: JetStreamContext, stream: str, state: StreamState
) -> tuple[RawStreamMsg | None, int]:
    """Return the last message of ours, and the sequence of the last one that is not removed."""
    try:
        message = await js.get_last_msg(stream, ">")
    except NotFoundError:
        return None, 0  # removed since
    first, last = state.first_seq, message.seq or state.last_seq
    for sequence in range(last, max(first, last - _LOOK_BACK) - 1, -1):
        if sequence != last:
            try:
                message = await js.get_msg(stream, sequence)
            except NotFoundError:
                continue
        if position_in(message.headers, POSITION_HEADER) is not None:
            return message, last
        log.error("relay.foreign_message", stream=stream, sequence=sequence)
    if first > last - _LOOK_BACK:
        return None, last
    raise ForeignWriter(
        f"the last {_LOOK_BACK} messages of the stream {stream} are not the relay's; "
        "no other publisher may write to its subjects",
    )


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
