"""To NATS: ``replay.<id>.<original subject>``, or a subject of choice.

Copies go out in atomic batches, each behind the message that is known as the stream's last
(`bridge.jetstream.batch_publisher`). Each has the message id ``<replay id>/<position>``, so the last one
on the stream says where to resume, and the duplicate window of the original's message id does
not swallow it.

Others may publish to the stream. A batch that another's message overtakes is sent again behind
that message; the more often that happens, the smaller the batches. Before it is sent again, the
lease is checked: a run that was frozen, and has a successor, ends there. A batch that such a run
still had in flight when the successor looked is recognised by its message ids; the successor then
looks again where the copies end.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from nats.aio.client import Client
from nats.js.errors import NotFoundError

from bridge.cloudevents.codec import encode
from bridge.errors import EncodeError, SubjectError
from bridge.history.replay.runner import Passed
from bridge.history.replay.selection import copied
from bridge.history.replay.store import Replay, ToNats
from bridge.jetstream.batch_publisher import (
    MAX_BATCH,
    Message,
    MessageRefusedError,
    Overtaken,
    Publisher,
)
from bridge.jetstream.connection import stream_info
from bridge.jetstream.publishing import MESSAGE_ID, NotPublishedError, check_size
from bridge.jetstream.reader import StreamReader
from bridge.jetstream.subjects import check_subject
from bridge.lifecycle.leadership import TTL_SECONDS
from bridge.settings.schema import NatsSettings
from eventstore.events import StoredEvent
from eventstore.leases import Lease

_MAX_DIGITS = 18
_HELD_SECONDS = TTL_SECONDS / 4
"""A lease that was renewed so short a time ago cannot have been taken over since."""


@dataclass(frozen=True, slots=True)
class _Copy:
    position: int
    message: Message


class NatsTarget:
    """Publishes to one stream. For one run of a replay; `open` it first.

    Args:
        client: Connected, and not one that reconnects by itself.
        nats: Names on the server.
        target: Which subject.
        guarded: The stream that only the relay may write to.
        passed: Told of events that cannot be published.
    """

    def __init__(
        self,
        client: Client,
        nats: NatsSettings,
        target: ToNats,
        *,
        guarded: str,
        passed: Callable[[Passed], None],
    ) -> None:
        self._client = client
        self._nats = nats
        self._subject = None if target.subject is None else check_subject(target.subject)
        self._guarded = nats.stream(guarded)
        self._passed = passed
        self._stream = ""
        self._publisher = Publisher(client, "")
        self._lease: Lease
        self._held_at = -math.inf
        self._began = 0
        self._position = 0

    async def open(self) -> int:
        """Find the stream; return the sequence of its last message.

        Raises:
            NotPublishedError: No stream takes the subject, or it is the relay's.
        """
        example = "replay.x" if self._subject is None else self._subject
        subject = self._nats.subject(example)
        js = self._client.jetstream()
        try:
            self._stream = await js.find_stream_name_by_subject(subject)
        except NotFoundError:
            raise NotPublishedError(
                f"no stream takes the subject {subject!r}; 'ntbridge migrate' declares the "
                "bridge's streams"
            ) from None
        if self._stream == self._guarded:
            raise NotPublishedError(
                f"{subject!r} belongs to the stream {self._stream}, to which only the relay may "
                "publish; name another subject"
            )
        info = await stream_info(js, self._stream)
        self._publisher = Publisher(self._client, self._stream)
        self._publisher.begin(info.state.last_seq, atomic=bool(info.config.allow_atomic))
        return info.state.last_seq

    async def resume(self, replay: Replay, lease: Lease) -> int:
        """Find the last copy on the stream, and begin behind everything.

        Raises:
            NotConnected: NATS is away.
        """
        self._lease = lease
        self._began = last = await self.open()
        self._position = await self._last_copy(
            replay, first=(replay.sequence or 0) + 1, through=last, default=replay.position
        )
        return self._position

    async def take(self, replay: Replay, events: Sequence[StoredEvent]) -> None:
        """Publish copies of events; all of them are on the stream when this returns."""
        copies: list[_Copy] = []
        for stored in events:
            try:
                copies.append(_Copy(stored.position, self._copy(stored, replay.id)))
            except (EncodeError, SubjectError) as error:
                self._passed(Passed(stored.position, str(error)))
        await self._publish(replay, copies)
        self._position = events[-1].position

    async def settle(self) -> tuple[int, int | None]:
        """Return the position of the last event taken, and the stream's sequence then."""
        return self._position, self._publisher.sequence

    async def finish(self) -> None:
        """Nothing is left to be done."""

    async def _publish(self, replay: Replay, copies: Sequence[_Copy]) -> None:
        publisher, left = self._publisher, copies
        while left:
            try:
                await publisher.publish([copy.message for copy in left])
            except Overtaken as error:
                left = left[publisher.published :]
                left = await self._begin_again(replay, left, error)
            except MessageRefusedError as refusal:
                if not refusal.is_size:
                    raise
                refused = left[publisher.published]
                self._passed(Passed(refused.position, str(refusal)))
                left = left[publisher.published + 1 :]
            else:
                publisher.batch = min(MAX_BATCH, 2 * publisher.batch)
                return

    async def _begin_again(
        self, replay: Replay, left: Sequence[_Copy], error: Overtaken
    ) -> Sequence[_Copy]:
        """Begin behind whatever came in between; return the copies that are not on the stream."""
        publisher = self._publisher
        publisher.batch = max(1, min(publisher.batch, len(left)) // 2)
        last = error.sequence
        if last is None:
            info = await stream_info(self._client.jetstream(), self._stream)
            last = info.state.last_seq
        if error.is_repeat:
            reached = await self._last_copy(
                replay, first=self._began + 1, through=last, default=0
            )
            left = [copy for copy in left if copy.position > reached]
        # Not before the sequence is known: a successor's copies come behind it, and refuse ours.
        await self._assert_alone()
        publisher.begin(last, atomic=publisher.atomic)
        return left

    async def _assert_alone(self) -> None:
        """Check that no successor can have begun: the lease is renewed, or was a moment ago.

        Asking the database each time would take longer than a busy stream stays as it is.

        Raises:
            Deposed: There is a successor.
        """
        now = time.monotonic()  # the loop's own clock stands still within a turn
        if now - self._held_at > _HELD_SECONDS:
            await self._lease.renew()
            self._held_at = now

    async def _last_copy(
        self, replay: Replay, *, first: int, through: int, default: int
    ) -> int:
        """Return the position of this replay's last copy between two sequences."""
        position, beginning = default, f"{replay.id}/"
        reader = StreamReader(self._client, self._stream)
        async for _, message in reader.read(
            first=first,
            through=through,
            subject=self._nats.subject(self._subject or f"replay.{replay.id}.>"),
            headers_only=True,
        ):
            message_id = (message.headers or {}).get(MESSAGE_ID, "")
            # A message of another publisher may bear any id.
            found = _position_of(message_id, beginning)
            position = position if found is None else found
        return position

    def _copy(self, stored: StoredEvent, replay_id: UUID) -> Message:
        subject = self._nats.subject(topic_of(stored, replay_id, self._subject))
        headers, payload = encode(copied(stored.event, str(replay_id)))
        check_size(payload, self._client.max_payload)
        headers[MESSAGE_ID] = f"{replay_id}/{stored.position}"
        return Message(subject, headers, payload)


def _position_of(message_id: str, beginning: str) -> int | None:
    """Return the position that a copy's message id names; None if it is none of this replay."""
    number = message_id.removeprefix(beginning)
    is_copy = message_id.startswith(beginning) and number.isascii() and number.isdigit()
    return int(number) if is_copy and len(number) <= _MAX_DIGITS else None


def topic_of(stored: StoredEvent, replay_id: UUID, subject: str | None = None) -> str:
    """Return the topic an event is replayed to.

    Raises:
        SubjectError: The event never travelled on NATS, and no subject was named.
    """
    if subject is not None:
        return subject
    if stored.topic is None:
        raise SubjectError("it never travelled on NATS: name a subject for it (--to-subject)")
    return check_subject(f"replay.{replay_id}.{stored.topic}")
