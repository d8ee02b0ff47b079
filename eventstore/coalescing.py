"""Many callers, few commits: single appends that come together share a statement and a commit.

An append that finds nobody else is written at once, by its own caller: without concurrency
there is no queue and no added wait. Those that come while appends are under way are written
together by the next one, a commit for all. Each gets a result of its own:

- a refusal is a result of the one refused (``append_events`` judges each by itself);
- an append whose caller has been cancelled leaves the queue, or, when it has been sent already,
  is written without anyone waiting, as any cancelled commit may be;
- if the database refuses the shared statement itself, each member is tried alone, so that
  only the one at fault fails.

No deadlock can arise between batches: the statement takes its locks in the order of their keys.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from eventstore.appending import MAX_STREAMS, Appended, Prepared
from eventstore.errors import AppendRefused, StatementFailed

Result = Appended | AppendRefused
Write = Callable[[Sequence[Prepared]], Awaitable[list[Result]]]
"""Writes a batch in one commit, one result a member; safe to be called several times at once."""

MAX_EVENTS: Final = 400
"""Where a shared batch ends; behind some hundred events a longer one gains nothing."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Likewise, for the data of a batch."""


class Coalescer:
    """Shares writes among concurrent callers.

    Args:
        write: Writes a batch.
        lanes: How many writes may be under way at once.
    """

    def __init__(self, write: Write, *, lanes: int = 2) -> None:
        self._write = write
        self._free = lanes
        self._queue: deque[tuple[Prepared, asyncio.Future[Result]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, member: Prepared) -> Result:
        """Write one append, alone or together with others, and return its own result."""
        if self._free > 0:
            self._free -= 1
            try:
                return (await self._write([member]))[0]
            finally:
                self._release()
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((member, future))
        return await future

    def _release(self) -> None:
        """Give the lane to those who have queued up meanwhile, or free it."""
        if self._queue:
            task = asyncio.get_running_loop().create_task(self._write_queued())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._free += 1

    async def _write_queued(self) -> None:
        try:
            batch = self._next_batch()
            if batch:
                await self._write_batch(batch)
        finally:
            self._release()

    async def _write_batch(
        self, batch: Sequence[tuple[Prepared, "asyncio.Future[Result]"]]
    ) -> None:
        try:
            results = await self._write([member for member, _ in batch])
        except StatementFailed as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:
                for one in batch:
                    await self._write_batch([one])
        except Exception as error:  # noqa: BLE001 - each waiting caller is told
            _fail(batch, error)
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)

    def _next_batch(self) -> list[tuple[Prepared, "asyncio.Future[Result]"]]:
        batch: list[tuple[Prepared, asyncio.Future[Result]]] = []
        events = size = 0
        streams: set[str] = set()
        while self._queue:
            member, future = self._queue[0]
            events += len(member.rows)
            size += sum(len(row[9] or b"") for row in member.rows)
            streams.add(member.stream)
            full = events > MAX_EVENTS or size > MAX_BYTES or len(streams) > MAX_STREAMS
            if batch and full:
                break
            self._queue.popleft()
            if not future.done():
                batch.append((member, future))
        return batch


def _fail(batch: Sequence[tuple[Prepared, "asyncio.Future[Result]"]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
