"""Many callers, few commits: single appends that come together share a statement and a commit.

An append that finds nobody else is written at once, by its own caller: without concurrency
there is no queue and no added wait. Those that come while appends are under way are written
together by the next one, a commit for all. Each gets a result of its own:

- a refusal is a result of the one refused (``append_events`` judges each by itself);
- an append whose caller has been cancelled leaves the queue, or, when it has been sent already,
  is written without anyone waiting, as any cancelled commit may be;
- if the database refuses the shared statement itself, each member is tried alone, so that
  only the one at fault fails.

Appends to one stream take turns in the database, by a lock that lasts as long as a commit. So
an append whose stream is being written from here waits here, whatever its size, and shares the
next commit with all who have come for that stream meanwhile, instead of waiting there on a
connection of its own for a commit of its own. Appends of many events to other streams fill a
commit well enough by themselves and are never held up.

No deadlock can arise between batches: the statement takes its locks in the order of their keys.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from eventstore.appending import MAX_STREAMS, Appended, Prepared
from eventstore.errors import AppendRefused, StatementFailed
from eventstore.rows import DATA

Result = Appended | AppendRefused
Write = Callable[[Sequence[Prepared]], Awaitable[list[Result]]]
"""Writes a batch in one commit, one result a member; safe to be called several times at once."""

MAX_EVENTS: Final = 400
"""Where a shared batch ends; behind some hundred events a longer one gains nothing."""

MAX_BYTES: Final = 4 * 1024 * 1024
"""Likewise, for the data of a batch."""

_LARGE: Final = 20
"""An append of more events than this needs no lane, for it gains little from company; and it goes
to the database while one for its stream is being written there: its way takes as long as that."""

_Waiting = deque[tuple[Prepared, asyncio.Future[Result]]]


_LONG: Final = 0.02
"""Seconds after which a write lends its lane out: it may be waiting for somebody's lock."""

_MOST_LENT: Final = 3
"""How many lanes may be lent: each such write keeps a connection from everybody else."""


class Coalescer:
    """Shares writes among concurrent callers.

    One write at a time is the fastest, and costs least: a second commit beside it halves the
    company of both (8 writers: 8,300 events a second by one lane, 7,500 by two, 6,600 by three).

    Args:
        write: Writes a batch.
        lanes: How many writes may be under way at once, those that are large or take long aside.
    """

    def __init__(self, write: Write, *, lanes: int = 1) -> None:
        self._write = write
        self._free = lanes
        self._lent = 0
        self._queue: _Waiting = deque()
        self._under_way: Counter[str] = Counter()
        self._behind: dict[str, _Waiting] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, member: Prepared) -> Result:
        """Write one append, alone or together with others, and return its own result."""
        stream = member.stream
        large = len(member.rows) > _LARGE
        behind = self._waiting_for(member)
        if behind is None and (large or (self._free > 0 and not self._queue)):
            lanes = 0 if large else 1
            self._free -= lanes
            self._under_way[stream] += 1
            write = self._write if large else self._write_in_lane
            try:
                return (await write([member]))[0]
            finally:
                self._release([stream], lanes)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        (self._queue if behind is None else behind).append((member, future))
        return await future

    def _waiting_for(self, member: Prepared) -> _Waiting | None:
        """Return where an append waits for its stream, which is being written; None if it need not."""
        most = 2 if len(member.rows) > _LARGE else 1
        if self._under_way[member.stream] < most:
            return None
        return self._behind.setdefault(member.stream, deque())

    def _release(self, streams: Iterable[str], lanes: int) -> None:
        """Give back lanes and streams, and let those go on who have waited for either."""
        for stream in streams:
            self._under_way[stream] -= 1
            if not self._under_way[stream]:
                del self._under_way[stream]
            self._queue.extendleft(reversed(self._behind.pop(stream, ())))
        self._free += lanes
        self._go_on()

    def _go_on(self) -> None:
        """Have what waits written, if there is a lane for it."""
        if self._queue and self._free > 0:
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._write_queued())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write_queued(self) -> None:
        """Write batch after batch in one lane, until nothing waits.

        A batch is put together a turn of the loop after the one before: those who have just
        been told their results, and append again at once, belong to it. Were the lane free
        meanwhile, the first of them would take it for itself alone.
        """
        try:
            while batch := self._next_batch():
                streams = {member.stream for member, _ in batch}
                self._under_way.update(streams)
                try:
                    self._go_on()
                    await self._write_batch(batch)
                finally:
                    self._release(streams, 0)
                await asyncio.sleep(0)
        finally:
            self._release((), 1)

    async def _write_in_lane(self, members: Sequence[Prepared]) -> list[Result]:
        """Write, and have others use the lane meanwhile if that takes long."""
        lent = False

        def lend() -> None:
            nonlocal lent
            if self._lent < _MOST_LENT:
                lent = True
                self._lent += 1
                self._free += 1
                self._go_on()

        timer = asyncio.get_running_loop().call_later(_LONG, lend)
        try:
            return await self._write(members)
        finally:
            timer.cancel()
            if lent:
                self._lent -= 1
                self._free -= 1

    async def _write_batch(
        self, batch: Sequence[tuple[Prepared, "asyncio.Future[Result]"]]
    ) -> None:
        try:
            results = await self._write_in_lane([member for member, _ in batch])
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
            if future.done():
                self._queue.popleft()
                continue
            if (behind := self._waiting_for(member)) is not None:
                behind.append(self._queue.popleft())
                continue
            events += len(member.rows)
            size += sum(len(row[DATA] or b"") for row in member.rows)
            streams.add(member.stream)
            full = events > MAX_EVENTS or size > MAX_BYTES or len(streams) > MAX_STREAMS
            if batch and full:
                break
            batch.append(self._queue.popleft())
        return batch


def _fail(batch: Sequence[tuple[Prepared, "asyncio.Future[Result]"]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
