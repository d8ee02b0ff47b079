"""A durable consumer that begins behind what is recorded.

**Order.** Redelivery keeps none: what a lost connection or a killed daemon held comes back only
after the ack wait, behind what is newer. Therefore a consumer is never gone on with, but made
anew behind the last message that is recorded. Its name carries the leader's epoch, so that a
deposed leader's open requests take nothing from its successor. A stream that was deleted and
made again, or that lost its tail in a crash, is read from its beginning: repeats are harmless.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

import structlog
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from bridge.cloudevents import decode
from bridge.config import IntakeSettings, NatsSettings, SourceSettings
from bridge.errors import DecodeError
from bridge.jetstream import stream_info

log = structlog.get_logger(__name__)

_MAX_ACK_PENDING = 20_000

LastRecorded = Callable[[str, datetime, str], Awaitable[tuple[int, UUID | None]]]
"""Tells the last recorded sequence of a stream, of that creation time, by a source's consumer's
name, and its event's uid."""


async def renew(
    js: JetStreamContext,
    nats: NatsSettings,
    source: SourceSettings,
    settings: IntakeSettings,
    epoch: int,
    last_recorded: LastRecorded,
) -> tuple[datetime | None, str]:
    """Make a leader's consumer anew; return when the stream was made, and the consumer's name.

    Raises:
        SourceMissing: The stream does not exist.
    """
    stream = nats.stream(source.stream)
    info = await stream_info(js, stream)
    start = 0
    if info.created is not None:
        recorded = await last_recorded(source.stream, info.created, source.consumer)
        start = await _start_after(js, stream, info.state.last_seq, *recorded)
    for old in await js.consumers_info(stream):
        if _is_superseded(old.name, source, epoch):
            await js.delete_consumer(stream, old.name)
    name = f"{source.consumer}-{epoch}"
    await js.add_consumer(
        stream,
        ConsumerConfig(
            durable_name=name,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE if start else DeliverPolicy.ALL,
            opt_start_seq=start + 1 if start else None,
            filter_subject=None if source.subject is None else nats.subject(source.subject),
            ack_wait=settings.ack_wait,
            # Never the server's business to give up on an event.
            max_deliver=-1,
            max_ack_pending=_MAX_ACK_PENDING,
            max_waiting=8,
        ),
    )
    log.info("intake.attached", stream=stream, consumer=name, after=start)
    return info.created, name


def _is_superseded(name: str, source: SourceSettings, epoch: int) -> bool:
    """Tell whether a consumer is the source's, of this leader or an earlier one."""
    of, _, number = name.rpartition("-")
    return of == source.consumer and number.isdecimal() and int(number) <= epoch


async def _start_after(
    js: JetStreamContext, stream: str, last: int, recorded: int, uid: UUID | None
) -> int:
    """Return the sequence to go on behind; 0 means from the beginning."""
    if recorded == 0:
        return 0
    if recorded > last or not await _is_unchanged(js, stream, recorded, uid):
        log.error(
            "intake.stream_went_back",
            stream=stream,
            recorded=recorded,
            last=last,
            next_step="it is read from the beginning; repeats change nothing",
        )
        return 0
    return recorded


async def _is_unchanged(
    js: JetStreamContext, stream: str, sequence: int, uid: UUID | None
) -> bool:
    """Tell whether a recorded message still stands where it stood."""
    try:
        message = await js.get_msg(stream, sequence)
    except NotFoundError:
        # Too old and gone, or deleted: nothing to compare with.
        return True
    try:
        event = decode(message.headers, message.data or b"")
    except DecodeError:
        return uid is None
    return uid is None or event.uid == uid
