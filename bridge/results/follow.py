"""Following result events for as long as one likes: the past from the store, then live.

**No gap, no repeat where the two meet.** First the stream's last sequence is noted (L), then up
to where the log is final (P). What is in the store up to P is read there. From the stream what
is behind L is read, but for positions up to P: those came from the store. An event is on the
stream only after it is in the log; so what was published before L was noted is at or below P,
and what is above P was published after L. Each message names its position.

A lost connection is made anew, and reading goes on behind the last message. Should the stream
have been made anew meanwhile, what was seen is known by its position.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import datetime

from bridge.errors import NotConnected, SourceMissing
from bridge.jetstream.connection import CLIENT_FAULTS, connect_once
from bridge.results.events import Result, Results, result_of
from bridge.settings.schema import NatsSettings
from eventstore.events import Origin
from eventstore.filters import Filter
from eventstore.store import EventStore

OpenStore = Callable[[], AbstractAsyncContextManager[EventStore]]

_PAUSE_SECONDS = 0.5


class Watch:
    """One person's view of the result events.

    Args:
        nats: Where NATS is.
        stream: The name of the stream of results, without the prefix.
        open_store: Opens the event store; only used for the past.
        say: Told what a person should know: that it listens, that the connection was lost.
        name: What the connection calls itself.
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
        """Everything at or below this position was yielded; late ones are apart."""
        self._joined = 0
        """Where past and present meet."""

    async def results(self, since: datetime | None = None) -> AsyncGenerator[Result]:
        """Yield result events, those recorded since a time first; never ends by itself.

        Raises:
            NotConnected: NATS cannot be reached to begin with.
            SourceMissing: The stream does not exist.
            Unavailable: The store cannot be reached, which only the past needs.
        """
        last, position = await self._end()
        self._next = last + 1
        if since is None:
            # Should the stream be made anew from the store, its past is no news.
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
            _heed_cancellation()
            self._say(f"the connection to NATS was lost ({reason}); trying again")
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _past(self, since: datetime) -> AsyncGenerator[Result]:
        async with self._open_store() as store:
            self._joined = self._seen = await store.settled()
            where = Filter(origin=Origin.EMITTED, since=since)
            events = store.read_all(through=self._joined, where=where)
            async with aclosing(events) as found:
                async for stored in found:
                    yield result_of(stored)

    async def _live(self) -> AsyncGenerator[Result]:
        client = await connect_once(self._nats, self._name)
        try:
            results = Results(client, self._nats, self._stream)
            if await results.last_sequence() < (self._next or 1) - 1:
                self._next = 1  # another stream of that name
            async with aclosing(await results.open(first=self._next)) as live:
                _heed_cancellation()
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


def _heed_cancellation() -> None:
    """Raise the cancellation that nats-py has swallowed, as it does while it flushes."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
