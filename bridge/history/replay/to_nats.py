"""The NATS target: ``replay.<id>.<original subject>``, or a given subject.

Copies are published in atomic batches, each of which expects the stream's last sequence
(`bridge.jetstream.batch_publisher`). Each copy has the message id ``<replay id>/<position>``: the
last one on the stream says where to resume, and the duplicate window does not drop it as a repeat
of the original.

Other programs may publish to the stream. A batch that another message overtakes is refused and
sent again after that message; batches get smaller with each refusal. The lease is checked before
each repeat, so a run that was frozen and has a successor ends there. If such a run still had a
batch in flight when its successor read the stream, the successor recognises it by its message ids
and reads again where the copies end.
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
    MessageRefusedError,
    OutgoingMessage,
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
"""A lease that was renewed within this time cannot have been taken over."""


@dataclass(frozen=True, slots=True)
class _Copy:
    position: int
    message: OutgoingMessage


class NatsTarget:
    """Publishes to one stream. Use one object for each run of a replay; call `open` first.

    Args:
        client: A connected client that does not reconnect.
        nats: Names on the server.
        target: The subject.
        guarded: The stream to which only the relay may publish.
        passed: Called with events that cannot be published.
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
            NotPublishedError: No stream has the subject, or only the relay may publish to it.
        """
        example = "replay.x" if self._subject is None else self._subject
        subject = self._nats.subject(example)
        js = self._client.jetstream()
        try:
            self._stream = await js.find_stream_name_by_subject(subject)
        except NotFoundError:
            raise NotPublishedError(
                f"no stream has the subject {subject!r}; {self._remedy()}"
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

    def _remedy(self) -> str:
        if self._subject is None and self._nats.streams.replay is None:
            return (
                "the settings say that there is none (nats.streams.replay: null): give it a name "
                "and run 'ntbridge migrate', or name a subject with --to-subject"
            )
        return "'ntbridge migrate' creates the bridge's streams"

    async def resume(self, replay: Replay, lease: Lease) -> int:
        """Find the last copy on the stream, and begin behind everything.

        Raises:
            NotConnected: NATS is unavailable.
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
        """Do nothing: all copies are acknowledged."""

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
        """Continue after the messages in between; return the copies that are not on the stream."""
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
        # Only after the sequence is known: a successor's later copies then make the stream refuse ours.
        await self._assert_alone()
        publisher.begin(last, atomic=publisher.atomic)
        return left

    async def _assert_alone(self) -> None:
        """Check that no successor can have begun: the lease is renewed, or was renewed a moment ago.

        A query each time would take longer than a busy stream keeps its last sequence.

        Raises:
            Deposed: There is a successor.
        """
        now = time.monotonic()  # the loop's clock does not advance within a turn
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
            # A message of another publisher may have any id.
            found = _position_of(message_id, beginning)
            position = position if found is None else found
        return position

    def _copy(self, stored: StoredEvent, replay_id: UUID) -> OutgoingMessage:
        subject = self._nats.subject(topic_of(stored, replay_id, self._subject))
        headers, payload = encode(copied(stored.event, str(replay_id)))
        check_size(payload, self._client.max_payload)
        headers[MESSAGE_ID] = f"{replay_id}/{stored.position}"
        return OutgoingMessage(subject, headers, payload)


def _position_of(message_id: str, beginning: str) -> int | None:
    """Return the position in a copy's message id; None if it is not of this replay."""
    number = message_id.removeprefix(beginning)
    is_copy = message_id.startswith(beginning) and number.isascii() and number.isdigit()
    return int(number) if is_copy and len(number) <= _MAX_DIGITS else None


def topic_of(stored: StoredEvent, replay_id: UUID, subject: str | None = None) -> str:
    """Return the topic an event is replayed to.

    Raises:
        SubjectError: The event was never on NATS, and no subject was given.
    """
    if subject is not None:
        return subject
    if stored.topic is None:
        raise SubjectError("it was never on NATS and has no subject: name one (--to-subject)")
    return check_subject(f"replay.{replay_id}.{stored.topic}")
