"""To NATS: ``replay.<id>.<original subject>``, or a subject of choice.

The copies form a chain on their stream (`bridge.outbound.pipeline`). Each has the message id
``<replay id>/<position>``, so the last one there says where to go on, and the duplicate window
of the original's message id does not swallow it. When somebody else publishes to the stream in
between, the chain is begun anew behind that, with what was refused; the more often that
happens, the fewer messages are sent ahead.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from nats.aio.client import Client
from nats.js.errors import NotFoundError

from bridge.cloudevents import encode
from bridge.config import NatsSettings
from bridge.errors import EncodeError, SubjectError
from bridge.history.replay.register import Replay, ToNats
from bridge.history.replay.running import Passed
from bridge.history.replay.selection import copied
from bridge.jetstream import stream_info
from bridge.outbound.pipeline import Overtaken, Pipeline
from bridge.publishing import MESSAGE_ID, NotPublishedError, check_size
from bridge.streams import StreamReader
from bridge.subjects import check_subject
from eventstore.events import StoredEvent
from eventstore.leases import Lease

_MOST_AHEAD = 1000
_LEAST_AHEAD = 16
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class _Copy:
    subject: str
    payload: bytes
    headers: dict[str, str]
    message_id: str


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
        self._pipeline = Pipeline(client, window=_MOST_AHEAD)
        self._under_way: deque[_Copy] = deque()
        self._dropped = 0
        self._stream = ""
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
        return (await stream_info(js, self._stream)).state.last_seq

    async def resume(self, replay: Replay, _lease: Lease) -> int:
        """Find the last copy on the stream, and begin a chain behind everything.

        Raises:
            NotConnected: NATS is away.
        """
        last = await self.open()
        self._position = replay.position
        beginning = f"{replay.id}/"
        reader = StreamReader(self._client, self._stream)
        async for _, message in reader.read(
            first=(replay.sequence or 0) + 1,
            through=last,
            subject=self._nats.subject(self._subject or f"replay.{replay.id}.>"),
            headers_only=True,
        ):
            message_id = (message.headers or {}).get(MESSAGE_ID, "")
            # A message of another publisher may bear any id.
            position = _position_of(message_id, beginning)
            if position is not None:
                self._position = position
        await self._pipeline.__aenter__()
        self._begin(last)
        return self._position

    async def take(self, replay: Replay, events: Sequence[StoredEvent]) -> None:
        """Publish copies of events."""
        for stored in events:
            try:
                copy = self._copy(stored, replay.id)
            except (EncodeError, SubjectError) as error:
                self._passed(Passed(stored.position, str(error)))
            else:
                self._under_way.append(copy)
                await self._send(copy)
            self._position = stored.position
        self._forget_acked()

    async def settle(self) -> tuple[int, int | None]:
        """Wait until everything taken is on the stream."""
        while True:
            try:
                await self._pipeline.settle()
            except Overtaken:
                await self._send_again()
            else:
                self._forget_acked()
                return self._position, self._pipeline.sequence

    async def finish(self) -> None:
        """Nothing is left to be done."""

    async def close(self) -> None:
        """Let go of the client, which its owner closes."""
        await self._pipeline.__aexit__(None, None, None)

    async def _send(self, copy: _Copy) -> None:
        try:
            await self._pipeline.publish(
                copy.subject, copy.payload, copy.headers, copy.message_id
            )
        except Overtaken:
            await self._send_again()

    async def _send_again(self) -> None:
        """Begin a new chain behind whatever came in between, with all that is not on the stream."""
        while True:
            self._forget_acked()
            went_well = self._pipeline.acked
            self._pipeline.window = max(
                _LEAST_AHEAD, min(self._pipeline.window // 2, 2 * went_well)
            )
            info = await stream_info(self._client.jetstream(), self._stream)
            self._begin(info.state.last_seq)
            try:
                for copy in tuple(self._under_way):
                    await self._pipeline.publish(
                        copy.subject, copy.payload, copy.headers, copy.message_id
                    )
            except Overtaken:
                continue
            return

    def _begin(self, last_sequence: int) -> None:
        self._pipeline.begin(last_sequence)
        self._dropped = 0

    def _forget_acked(self) -> None:
        acked = self._pipeline.acked
        for _ in range(acked - self._dropped):
            self._under_way.popleft()
        self._dropped = acked
        if acked > 4 * self._pipeline.window:
            self._pipeline.window = min(_MOST_AHEAD, 2 * self._pipeline.window)

    def _copy(self, stored: StoredEvent, replay_id: UUID) -> _Copy:
        subject = self._nats.subject(topic_of(stored, replay_id, self._subject))
        headers, payload = encode(copied(stored.event, str(replay_id)))
        check_size(payload, self._client.max_payload)
        return _Copy(subject, payload, headers, f"{replay_id}/{stored.position}")


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
