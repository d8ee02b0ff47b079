"""Publishing without waiting for each acknowledgement, in a chain.

Every message names its predecessor, by message id, as what must be the stream's last message
when it arrives; the first one names the stream's last sequence. So when one is lost or refused,
or somebody else's message comes in between, everything behind it is refused too: nothing can
overtake, and what is on the stream is always a beginning of what was sent. (Naming the sequence
a predecessor *will* have is not enough: a stranger's message that takes the place of the one
before lets the next one in.)

Where an acknowledgement is missing, a later one stands for it: the server would not have taken
the later message otherwise. There is no future for each message, only a number in the reply
subject; that is most of what makes it cheap.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from bridge.errors import NotConnected
from bridge.publishing import (
    EXPECTED_ID,
    EXPECTED_SEQUENCE,
    MESSAGE_ID,
    WRONG_LAST,
    NotPublishedError,
)

_MOST_BYTES: Final = 8 * 2**20
_PUBACK_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 1.0


class Overtaken(NotPublishedError):  # noqa: N818 - says what happened
    """Another's message came in between: read where the stream stands, and begin a new chain."""


class _Refusal(msgspec.Struct):
    err_code: int = 0
    description: str = ""


class _Ack(msgspec.Struct):
    seq: int = 0
    error: _Refusal | None = None


_read_ack = msgspec.json.Decoder(_Ack).decode


class Pipeline:
    """One chain after another over one client. For one task; use as an async context manager.

    Args:
        client: Connected. When it reconnects, what it had in hand may be lost: that breaks the
            chain, as any loss does.
        window: How many messages may wait for their acknowledgement.
    """

    def __init__(self, client: Client, *, window: int = 1000) -> None:
        self._client = client
        self.window = window
        """How many messages may wait for their acknowledgement; may be changed at any time."""
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._chain = 0
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self._expected: tuple[str, str] = (EXPECTED_SEQUENCE, "0")
        self._refusal: NotPublishedError | None = None
        self._moved = asyncio.Event()
        self._reconnects = 0
        self.sent = 0
        """Messages of this chain that were sent."""
        self.acked = 0
        """Messages of this chain that are on the stream."""
        self.sequence = 0
        """Of the last of them; before the first, what the chain began behind."""

    async def __aenter__(self) -> Self:
        self._subscription = await self._client.subscribe(
            f"{self._inbox}.*",
            cb=self._on_reply,
            pending_msgs_limit=-1,
            pending_bytes_limit=-1,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()

    def begin(self, last_sequence: int) -> None:
        """Begin a chain behind the stream's last message."""
        self._chain += 1
        self._refusal = None
        self._reconnects = self._client.stats["reconnects"]
        self._sizes.clear()
        self._bytes = 0
        self._expected = (EXPECTED_SEQUENCE, str(last_sequence))
        self.sent = self.acked = 0
        self.sequence = last_sequence

    async def publish(
        self, subject: str, payload: bytes, headers: Mapping[str, str], message_id: str
    ) -> None:
        """Send the next message; waits only while too many are under way.

        Raises:
            Overtaken: The chain is broken; `acked` says how many of it are on the stream.
            NotPublishedError: The stream refused one; likewise.
            NotConnected: The connection was lost; only the stream knows how far it came.
        """
        while self.sent - self.acked >= self.window or self._bytes > _MOST_BYTES:
            await self._move()
        if self._refusal is not None:
            raise self._refusal
        self.sent += 1
        size = len(payload)
        self._sizes.append(size)
        self._bytes += size
        name, value = self._expected
        self._expected = (EXPECTED_ID, message_id)
        try:
            await self._client.publish(
                subject,
                payload,
                reply=f"{self._inbox}.{self._chain}-{self.sent}",
                headers={**headers, MESSAGE_ID: message_id, name: value},
            )
        except (NatsError, OSError) as error:
            raise NotConnected(f"the connection to NATS was lost: {error!r}") from error

    async def settle(self) -> None:
        """Wait until everything sent is on the stream.

        Raises:
            Overtaken: As in `publish`.
            NotPublishedError: Likewise.
            NotConnected: Likewise; or the acknowledgements did not come.
        """
        while self.acked < self.sent:
            await self._move()
        if self._refusal is not None:
            raise self._refusal

    async def _move(self) -> None:
        """Wait for the next acknowledgement."""
        if self._refusal is not None:
            raise self._refusal
        self._moved.clear()
        waited = 0.0
        while not self._moved.is_set():
            if self._client.is_closed or self._client.stats["reconnects"] != self._reconnects:
                raise NotConnected("the connection to NATS was lost")
            if waited >= _PUBACK_SECONDS:
                raise NotConnected(f"no acknowledgement from NATS for {waited:g} s")
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._moved.wait()
            except TimeoutError:
                waited += _LOOK_SECONDS

    async def _on_reply(self, message: Msg) -> None:
        chain, _, number = message.subject.rpartition(".")[2].partition("-")
        if int(chain) != self._chain:
            return
        self._moved.set()
        if message.headers and message.headers.get("Status") == "503":
            self._refused(NotPublishedError("no stream takes the subject"))
            return
        ack = _read_ack(message.data)
        if ack.error is not None:
            kind = Overtaken if ack.error.err_code in WRONG_LAST else NotPublishedError
            self._refused(kind(f"the stream refused: {ack.error.description}"))
        elif int(number) > self.acked:
            for _ in range(int(number) - self.acked):
                self._bytes -= self._sizes.popleft()
            self.acked, self.sequence = int(number), ack.seq

    def _refused(self, refusal: NotPublishedError) -> None:
        if self._refusal is None:
            self._refusal = refusal
