"""Decides where a source begins when it is read for the first time.

The setting ``start_from`` decides. Without it

- a stream that ``ntbridge migrate`` created is read from its first message: its messages are for the
  bridge. So is a stream that was deleted and created again since the source was read.
- a consumer that an operator created to begin at a sequence begins there.
- a stream without a message for the source has nothing to choose.
- any other stream is refused, with the choice: years of history must not start workflows because
  nobody thought of them.

The decision is stored in Postgres (`bridge.intake.progress`) before the consumer is created or moved.
A daemon killed in between begins at the same message.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.errors import AttachError, RequestRefused
from bridge.intake.consumer_fitness import ConsumerState
from bridge.intake.placement import StartingPoint
from bridge.jetstream.api import NO_MESSAGE, ask, nanoseconds
from bridge.jetstream.client import BridgeClient
from bridge.jetstream.own_streams import is_own
from bridge.settings.schema import SourceSettings
from bridge.settings.start_from import Start, read_start

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message in a stream: its sequence, and when the stream stored it (ns since 1970)."""

    sequence: int
    time_ns: int


@dataclass(frozen=True)
class FirstAttach:
    """Reads the stream of a source that was never read.

    Attributes:
        client: A connected client.
        source: The source.
        stream: The stream's name on the server.
        subject: The filter on the server; None for the whole stream.
        api: What the subjects of JetStream requests about the stream begin with.
    """

    client: BridgeClient
    source: SourceSettings
    stream: str
    subject: str | None
    api: str

    async def starting_point(
        self, consumer: ConsumerState | None, *, was_read: bool = False
    ) -> StartingPoint:
        """Return where the source begins.

        Args:
            consumer: The state of the source's consumer; None if there is none.
            was_read: Whether the source was read before, from an earlier stream of this name.

        Raises:
            AttachError: There is a choice, and the settings do not make it; or the stream or the
                consumer does not permit that starting point.
            NotConnected: NATS is unavailable.
        """
        info = await ask(self.client, f"STREAM.INFO.{self.stream}", api=self.api)
        opens_at = 1 if consumer is None else consumer["config"].get("opt_start_seq", 1)
        start = await self._choice(info, consumer, opens_at, was_read=was_read)
        point = await self._resolve(start, info)
        await self._require_permitted(point, info, opens_at)
        return point

    async def _choice(
        self,
        info: dict[str, Any],
        consumer: ConsumerState | None,
        opens_at: int,
        *,
        was_read: bool,
    ) -> Start:
        if self.source.start_from is not None and not was_read:
            return read_start(self.source.start_from)
        if was_read or is_own(info["config"]):
            return "all"
        if opens_at > 1:
            return opens_at
        if await self._next(1) is None:
            return "all"
        raise self._undecided(info, consumer)

    def _undecided(self, info: dict[str, Any], consumer: ConsumerState | None) -> AttachError:
        state = info["state"]
        some = "" if self.subject is None else f", some of them on {self.subject}"
        choices = (
            "all (each message it holds, the oldest first), new (only messages from now on), 2h or "
            "an ISO 8601 time (messages since then), or a sequence"
        )
        if info["config"].get("retention") == "workqueue":
            choices = "all (a work queue is read from its first message), or purge the stream"
        acknowledged = 0 if consumer is None else consumer["ack_floor"]["stream_seq"]
        if acknowledged:
            choices += (
                f"; {acknowledged + 1} continues after what the consumer {self.source.durable} has "
                "acknowledged"
            )
        return AttachError(
            f"the source {self.source.name} is read for the first time, and stream {self.stream} "
            f"already holds {state['messages']} messages (sequences {state['first_seq']} to "
            f"{state['last_seq']}{some}), which would all become events",
            f"set start_from of this source: {choices}",
        )

    async def _resolve(self, start: Start, info: dict[str, Any]) -> StartingPoint:
        state = info["state"]
        first, last = max(1, state["first_seq"]), state["last_seq"]
        if start == "all":
            return StartingPoint(first)
        if start == "new":
            after_last = nanoseconds(state["last_ts"]) + 1 if last else 0
            return StartingPoint(last + 1, after_last)
        if isinstance(start, int):
            if start > last + 1:
                raise AttachError(
                    f"the source {self.source.name} starts from sequence {start}, but the last "
                    f"message of stream {self.stream} has sequence {last}",
                    "correct start_from of this source; new begins after the last message",
                )
            found = await self._next(start, ">")
            time_ns = nanoseconds(state["last_ts"]) + 1 if found is None else found.time_ns
            return StartingPoint(max(first, start), time_ns)
        # The server's clock, which also gave the messages their times.
        now = nanoseconds(info["ts"])
        since = (
            now - _nanoseconds(start) if isinstance(start, timedelta) else _since_epoch(start)
        )
        return StartingPoint(await self.first_since(since, first, last), since)

    async def first_since(self, time_ns: int, first: int, last: int) -> int:
        """Return the sequence from which on all messages were stored at a time or later.

        Args:
            time_ns: The time, in nanoseconds since 1970.
            first: The first sequence of the stream.
            last: The last sequence of the stream.

        Raises:
            AttachError: The server refuses to return messages.
            NotConnected: NATS is unavailable.
        """
        low, high = first, last + 1
        while low < high:
            middle = (low + high) // 2
            found = await self._next(middle, ">")
            if found is None or found.time_ns >= time_ns:
                high = middle
            else:
                low = found.sequence + 1
        return low

    async def _require_permitted(
        self, point: StartingPoint, info: dict[str, Any], opens_at: int
    ) -> None:
        earliest = await self._next(1)
        if earliest is None:
            return
        if (
            info["config"].get("retention") == "workqueue"
            and earliest.sequence < point.sequence
        ):
            raise AttachError(
                f"the source {self.source.name} starts from {self.source.start_from}, but stream "
                f"{self.stream} is a work queue, which a consumer can only read from its first "
                f"message (sequence {earliest.sequence})",
                "set start_from of this source to all, or purge the stream first: nats stream "
                f"purge {self.stream}",
            )
        wanted = await self._next(point.sequence)
        if wanted is not None and wanted.sequence < opens_at:
            raise AttachError(
                f"the source {self.source.name} starts from sequence {wanted.sequence}, but its "
                f"consumer {self.source.durable} was created to begin at {opens_at}",
                f"set start_from of this source to {opens_at}, or let the consumer begin earlier",
            )

    async def _next(self, sequence: int, subject: str | None = None) -> StoredMessage | None:
        """Return the first message of the source at a sequence or later; None if there is none."""
        wanted = {"seq": sequence, "next_by_subj": subject or self.subject or ">"}
        try:
            answer = await ask(
                self.client, f"STREAM.MSG.GET.{self.stream}", wanted, api=self.api
            )
        except RequestRefused as error:
            if error.err_code == NO_MESSAGE:
                return None
            raise AttachError(
                f"stream {self.stream}: {error}",
                f"allow this user to publish to {self.api}.STREAM.MSG.GET.{self.stream}: the bridge "
                "looks where the source begins",
            ) from error
        message = answer["message"]
        return StoredMessage(message["seq"], nanoseconds(message["time"]))


def _nanoseconds(duration: timedelta) -> int:
    return (duration // timedelta(microseconds=1)) * 1000


def _since_epoch(time: datetime) -> int:
    return _nanoseconds(time - _EPOCH)
