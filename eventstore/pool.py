"""The pool of connections.

The driver has a pool too. This one does less and costs less (about 50 µs a loan; an append takes
300 µs), and it never waits for a peer that does not answer: a connection that is not idle when it
is returned is not lent again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import asyncpg

from eventstore.errors import Unavailable

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


_LINGER: Final = 1.0
"""Seconds until a retired connection is terminated."""


class Pool:
    """At most ``size`` connections, opened when needed.

    Args:
        connect: Opens a connection.
        size: The most connections.
        deadline: Seconds that a caller waits at most for a free one.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Raw]], *, size: int, deadline: float
    ) -> None:
        self._connect = connect
        self._size = size
        self._deadline = deadline
        self._idle: list[Raw] = []
        self._lent: set[Raw] = set()
        self._retired: set[Raw] = set()
        self._stale: set[Raw] = set()
        self._connecting = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closed = False
        self._returned = asyncio.Event()

    async def acquire(self) -> Raw:
        """Lend a connection; of several, the one used last.

        Raises:
            Unavailable: None became free within the deadline, or the pool is closed.
        """
        while True:
            if self._closed:
                raise Unavailable("the database has been closed by this program")
            while self._idle:
                raw = self._idle.pop()
                if not raw.is_closed():
                    self._lent.add(raw)
                    return raw
            if len(self._lent) + self._connecting < self._size:
                return await self._make()
            await self._turn()

    def release(self, raw: Raw) -> None:
        """Take a connection back; never waits."""
        self._lent.discard(raw)
        if self._closed or raw in self._stale or raw.is_closed() or raw.is_in_transaction():
            self._stale.discard(raw)
            raw.terminate()
        else:
            self._idle.append(raw)
        self._returned.set()
        self._wake()

    def retire(self, raw: Raw) -> None:
        """Take back a connection whose statement was interrupted; never waits.

        It is not lent again. It stays open only as long as the driver may need to cancel the
        statement on the server.
        """
        self._lent.discard(raw)
        self._stale.discard(raw)
        self._retired.add(raw)
        asyncio.get_running_loop().call_later(_LINGER, self._end, raw)
        self._returned.set()
        self._wake()

    def renew(self) -> None:
        """Lend none of these connections again: their server is no longer the primary.

        Lent connections may be used until they are returned; idle ones are terminated now.
        """
        self._stale |= self._lent
        for raw in self._idle:
            raw.terminate()
        self._idle.clear()
        self._wake()

    async def close(self) -> None:
        """Close all connections; wait for lent ones up to the deadline, then terminate them."""
        self._closed = True
        try:
            async with asyncio.timeout(self._deadline):
                while self._lent:
                    self._returned.clear()
                    await self._returned.wait()
                for raw in self._idle:
                    await raw.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pass  # a peer that does not answer; terminated below
        finally:
            self.terminate()

    def terminate(self) -> None:
        """Terminate all connections at once."""
        self._closed = True
        for raw in [*self._idle, *self._lent, *self._retired]:
            raw.terminate()
        self._idle.clear()
        self._retired.clear()
        while self._waiting:
            self._wake()

    def _end(self, raw: Raw) -> None:
        self._retired.discard(raw)
        raw.terminate()

    async def _make(self) -> Raw:
        self._connecting += 1
        try:
            raw = await self._connect()
        except BaseException:
            self._connecting -= 1
            self._wake()
            raise
        self._connecting -= 1
        self._lent.add(raw)
        return raw

    async def _turn(self) -> None:
        """Wait until a connection may be free."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self._deadline):
                await turn
        except TimeoutError as error:
            raise Unavailable(
                f"no database connection became free within {self._deadline:g} s"
            ) from error
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._wake()  # pass the wake-up on to the next caller
            raise

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
