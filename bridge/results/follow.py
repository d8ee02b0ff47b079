"""`Watch`: follows result events, first from the store, then live from NATS.

**No gap and no repeat between store and stream.** The watch first reads the stream's last sequence
(L), then the position up to which the log is final (P). It reads events up to P from the store.
From the stream it reads the messages after L and skips positions up to P, which came from the store.
An event is on the stream only after it is in the log: events published before L was read are at or
below P, and events above P were published after L. Each message has its position in a header.

When the connection is lost, the watch reconnects and continues after the last message. If the stream
was created again meanwhile, the position of each message shows whether it was seen.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing

from bridge.errors import NotConnected, SourceMissing
from bridge.jetstream.connection import CLIENT_FAULTS, connect_once
from bridge.results.events import Result, Results, result_of
from bridge.runtime.durations import PointInTime
from bridge.settings.schema import NatsSettings
from eventstore.events import Origin
from eventstore.filters import Filter
from eventstore.store import EventStore

OpenStore = Callable[[], AbstractAsyncContextManager[EventStore]]

_PAUSE_SECONDS = 0.5


class Watch:
    """One subscriber's view of the result events.

    Args:
        nats: NATS's address and credentials.
        stream: The name of the results stream, without the prefix.
        open_store: Opens the event store; used only for stored events.
        say: Called with messages for a person: listening, connection lost.
        name: The name of the NATS connection.
    """

    def __init__(
        self,
        nats: NatsSettings,
        stream: str,
        open_store: OpenStore,
        *,
        say: Callable[[str], None],
        name: str,
    ) -> None:
        self._nats = nats
        self._stream = stream
        self._open_store = open_store
        self._say = say
        self._name = name
        self._next: int | None = None
        self._seen = 0
        """Everything at or below this position was yielded, except late events."""
        self._joined = 0
        """The last position that is read from the store; later ones come from NATS."""

    async def results(self, since: PointInTime | None = None) -> AsyncGenerator[Result]:
        """Yield result events without end, first those recorded since a time.

        Raises:
            NotConnected: NATS cannot be reached at the start.
            SourceMissing: The stream does not exist.
            Unavailable: The store cannot be reached; only with ``since``.
        """
        last, position = await self._end()
        self._next = last + 1
        if since is None:
            # If the stream is rebuilt from the store, its old events are not new to this watch.
            self._seen = position
        else:
            async with aclosing(self._past(since)) as past:
                async for result in past:
                    yield result
        self._say("listening for result events; Ctrl-C ends")
        while True:
            try:
                async with aclosing(self._live()) as live:
                    async for result in live:
                        yield result
            except (SourceMissing, *CLIENT_FAULTS) as error:
                reason = str(error) or repr(error)
            else:
                reason = "it was closed"
            _raise_pending_cancellation()
            self._say(f"the connection to NATS was lost ({reason}); reconnecting")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _past(self, since: PointInTime) -> AsyncGenerator[Result]:
        async with self._open_store() as store:
            self._joined = self._seen = await store.settled()
            where = Filter(origin=Origin.EMITTED, since=await store.time_of(since))
            events = store.read_all(through=self._joined, where=where)
            async with aclosing(events) as found:
                async for stored in found:
                    yield result_of(stored)

    async def _live(self) -> AsyncGenerator[Result]:
        client = await connect_once(self._nats, self._name)
        try:
            results = Results(client, self._nats, self._stream)
            if await results.last_sequence() < (self._next or 1) - 1:
                self._next = 1  # the stream was created again under the same name
            async with aclosing(await results.open(first=self._next)) as live:
                _raise_pending_cancellation()
                async for result in live:
                    self._next = (result.sequence or 0) + 1
                    if self._is_new(result):
                        yield result
        finally:
            await client.close()

    def _is_new(self, result: Result) -> bool:
        if result.position is None:
            return True
        if result.late:
            return result.position > self._joined
        if result.position <= self._seen:
            return False
        self._seen = result.position
        return True

    async def _end(self) -> tuple[int, int]:
        """Return the sequence and the position of the stream's last message."""
        client = await connect_once(self._nats, self._name)
        try:
            results = Results(client, self._nats, self._stream)
            last = await results.last_sequence()
            return last, await results.position_of(last)
        except CLIENT_FAULTS as error:
            raise NotConnected(f"NATS does not answer: {error!r}") from error
        finally:
            await client.close()


def _raise_pending_cancellation() -> None:
    """Raise a cancellation that nats-py swallowed, which it does during a flush."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
