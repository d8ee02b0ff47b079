"""Batching: concurrent single appends share a statement and a commit.

An append that finds no other in progress is written at once by its own caller: without
concurrency there is no queue and no extra wait. Appends that arrive while others are in progress
are written together by the next one, in one commit. Each gets its own result:

- a refusal affects only the refused append (``append_events`` judges each separately);
- an append whose caller was cancelled leaves the queue; if it has been sent already, it may be
  written, like any cancelled commit;
- if the database refuses the shared statement itself, each member is tried alone, so that only
  the faulty one fails.

Appends to one stream are serialised in the database by a lock that is held until the commit. So an
append to a stream that this process is writing waits here, whatever its size, and shares the next
commit with all other appends to that stream, instead of waiting in the database with its own
connection and commit. Appends of many events to other streams fill a commit by themselves and
never wait.

Batches cannot deadlock: the statement takes its locks in the order of their keys.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from eventstore.appending import Appended
from eventstore.errors import AppendRefused, StatementFailed
from eventstore.prepared import MAX_STREAMS, PreparedAppend
from eventstore.rows import DATA

AppendResult = Appended | AppendRefused
Write = Callable[[Sequence[PreparedAppend]], Awaitable[list[AppendResult]]]
"""Writes a batch in one commit, one result a member; safe to be called several times at once."""

MAX_EVENTS: Final = 400
"""The most events of a shared batch; more than some hundred gain nothing."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""The most data of a shared batch, in bytes."""

_LARGE: Final = 20
"""An append of more events than this needs no lane: sharing a commit gains it little. It is sent
while one other append to its stream is being written, because sending it takes as long as that."""

_Waiting = deque[tuple[PreparedAppend, asyncio.Future[AppendResult]]]


_LONG: Final = 0.02
"""Seconds after which a write lends its lane to others: it may be waiting for a lock."""

_MAX_LENT: Final = 3
"""The most lent lanes: each such write occupies a connection."""


class Coalescer:
    """Shares writes among concurrent callers.

    One write at a time is the fastest and cheapest: a second concurrent commit halves the batches
    of both (8 writers: 8,300 events a second by one lane, 7,500 by two, 6,600 by three).

    Args:
        write: Writes a batch.
        lanes: The most concurrent writes, not counting large and slow ones.
    """

    def __init__(self, write: Write, *, lanes: int = 1) -> None:
        self._write = write
        self._free = lanes
        self._lent = 0
        self._queue: _Waiting = deque()
        self._under_way: Counter[str] = Counter()
        self._waiting: dict[str, _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, member: PreparedAppend) -> AppendResult:
        """Write one append, alone or together with others, and return its own result."""
        stream = member.stream
        large = len(member.rows) > _LARGE
        waiting = self._waiting_for(member)
        if waiting is None and (large or (self._free > 0 and not self._queue)):
            lanes = 0 if large else 1
            self._free -= lanes
            self._under_way[stream] += 1
            write = self._write if large else self._write_in_lane
            try:
                return (await write([member]))[0]
            finally:
                self._release([stream], lanes)
        future: asyncio.Future[AppendResult] = asyncio.get_running_loop().create_future()
        (self._queue if waiting is None else waiting).append((member, future))
        return await future

    def _waiting_for(self, member: PreparedAppend) -> _Waiting | None:
        """Return the queue in which an append waits for its stream; None if it need not wait."""
        most = 2 if len(member.rows) > _LARGE else 1
        if self._under_way[member.stream] < most:
            return None
        return self._waiting.setdefault(member.stream, deque())

    def _release(self, streams: Iterable[str], lanes: int) -> None:
        """Release lanes and streams, and continue the appends that waited for them."""
        for stream in streams:
            self._under_way[stream] -= 1
            if not self._under_way[stream]:
                del self._under_way[stream]
            self._queue.extendleft(reversed(self._waiting.pop(stream, ())))
        self._free += lanes
        self._write_next()

    def _write_next(self) -> None:
        """Start writing the queued appends if a lane is free."""
        if self._queue and self._free > 0:
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._write_queued())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write_queued(self) -> None:
        """Write batch after batch in one lane until the queue is empty.

        Each batch is built one turn of the loop after the previous one, so that callers that have
        just got their results and append again at once belong to it. If the lane were free
        meanwhile, the first of them would use it alone.
        """
        try:
            while batch := self._next_batch():
                streams = {member.stream for member, _ in batch}
                self._under_way.update(streams)
                try:
                    self._write_next()
                    await self._write_batch(batch)
                finally:
                    self._release(streams, 0)
                await asyncio.sleep(0)
        finally:
            self._release((), 1)

    async def _write_in_lane(self, members: Sequence[PreparedAppend]) -> list[AppendResult]:
        """Write; let others use the lane if the write takes long."""
        lent = False

        def lend() -> None:
            nonlocal lent
            if self._lent < _MAX_LENT:
                lent = True
                self._lent += 1
                self._free += 1
                self._write_next()

        timer = asyncio.get_running_loop().call_later(_LONG, lend)
        try:
            return await self._write(members)
        finally:
            timer.cancel()
            if lent:
                self._lent -= 1
                self._free -= 1

    async def _write_batch(
        self, batch: Sequence[tuple[PreparedAppend, "asyncio.Future[AppendResult]"]]
    ) -> None:
        try:
            results = await self._write_in_lane([member for member, _ in batch])
        except StatementFailed as error:
            if len(batch) == 1:
                _fail(batch, error)
            else:
                for one in batch:
                    await self._write_batch([one])
        except Exception as error:  # noqa: BLE001 - raised to each waiting caller
            _fail(batch, error)
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)

    def _next_batch(self) -> list[tuple[PreparedAppend, "asyncio.Future[AppendResult]"]]:
        batch: list[tuple[PreparedAppend, asyncio.Future[AppendResult]]] = []
        events = size = 0
        streams: set[str] = set()
        while self._queue:
            member, future = self._queue[0]
            if future.done():
                self._queue.popleft()
                continue
            if (waiting := self._waiting_for(member)) is not None:
                waiting.append(self._queue.popleft())
                continue
            events += len(member.rows)
            size += sum(len(row[DATA] or b"") for row in member.rows)
            streams.add(member.stream)
            full = events > MAX_EVENTS or size > MAX_BYTES or len(streams) > MAX_STREAMS
            if batch and full:
                break
            batch.append(self._queue.popleft())
        return batch


def _fail(
    batch: Sequence[tuple[PreparedAppend, "asyncio.Future[AppendResult]"]], error: Exception
) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
