"""Exclusive locks in Postgres that end with their holder, wherever it runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

from bridge.runtime.errors import ObjectStoreError
from eventstore.database import Connection, Database, Row
from eventstore.errors import EventStoreError
from workflows.errors import SharedStateError
from workflows.sql import STATEMENTS

Result = TypeVar("Result")

SILENCE_SECONDS = 10.0
"""Seconds after which the server ends the session of a holder that says nothing."""
_TRY_EVERY = 0.1
"""Seconds between two attempts to get a lock."""


class LockedSession:
    """The session that holds a lock. All writes of the change go over it, one at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._free = asyncio.Lock()

    async def fetch(self, statement: str, *args: object) -> list[Row]:
        """Run a statement by its name and return its rows."""
        async with self._free:
            return await self._connection.fetch(STATEMENTS[statement], *args)

    async def fetchval(self, statement: str, *args: object) -> Any:
        """Run a statement by its name and return the first column of its first row."""
        async with self._free:
            return await self._connection.fetchval(STATEMENTS[statement], *args)

    async def execute(self, statement: str, *args: object) -> None:
        """Run a statement by its name."""
        async with self._free:
            await self._connection.execute(STATEMENTS[statement], *args)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Run the block in a transaction; use only the yielded connection in it."""
        async with self._free, self._connection.transaction():
            yield self._connection

    async def check(self) -> None:
        """Ask the server whether the lock is still held.

        Raises:
            EventStoreError: The session was lost, and the lock with it.
        """
        await self.fetchval("answers")

    async def keep(self, every: float) -> None:
        """Keep the session alive until it is lost."""
        with suppress(EventStoreError):  # the next statement of the holder reports it
            while True:
                await asyncio.sleep(every)
                await self.check()


@asynccontextmanager
async def exclusive(
    database: Database, name: str, *, silence: float = SILENCE_SECONDS
) -> AsyncIterator[LockedSession]:
    """Hold a lock and yield the session that holds it; wait for it without a limit.

    A holder whose process is killed loses it at once; one that is frozen or unreachable within
    ``silence`` seconds. From then on its statements fail.

    Raises:
        SharedStateError: Postgres or the object store is down, or the session was lost.
    """
    with shared_state_errors():
        connection = await database.open()
        keeping: asyncio.Task[None] | None = None
        try:
            session = LockedSession(connection)
            await session.fetchval("end_when_silent", f"{silence * 1000:.0f}ms")
            while not await session.fetchval("try_lock", name):  # noqa: ASYNC110 - other machines
                await asyncio.sleep(_TRY_EVERY)
            keeping = asyncio.create_task(session.keep(silence / 4))
            yield session
        finally:
            # Nothing is awaited here: a cancelled caller must free the lock too.
            if keeping is not None:
                keeping.cancel()
            connection.terminate()


@contextmanager
def shared_state_errors() -> Iterator[None]:
    """Translate the errors of Postgres and of the object store.

    Raises:
        SharedStateError: For any of them: a retry may help.
    """
    try:
        yield
    except (EventStoreError, ObjectStoreError) as error:
        raise SharedStateError(str(error)) from error


async def to_its_end(work: Awaitable[Result]) -> Result:
    """Await work that a cancellation must not leave half-done: it is awaited first."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # retrieved, or asyncio would log it as never retrieved
        raise
