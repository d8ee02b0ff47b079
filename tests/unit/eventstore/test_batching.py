import asyncio
from collections.abc import Sequence

import pytest

from eventstore.appending import Appended
from eventstore.batching import MAX_EVENTS, AppendResult, Coalescer
from eventstore.errors import StatementFailed, Unavailable
from eventstore.prepared import PreparedAppend
from tests.unit.eventstore.builders import new_events, prepared


class Disk:
    """Where batches are written: each waits until it is let through."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.begun = asyncio.Semaphore(0)
        self.poison: set[str] = set()
        self.error: Exception = StatementFailed("no")

    async def write(self, members: Sequence[PreparedAppend]) -> list[AppendResult]:
        self.batches.append([member.stream for member in members])
        self.begun.release()
        await self.gate.wait()
        if self.poison & {member.stream for member in members}:
            raise self.error
        return [Appended(member.stream, 1, 1, (1,), duplicate=False) for member in members]


async def started(disk: Disk, count: int, lanes: int = 1) -> list["asyncio.Task[AppendResult]"]:
    """The first `lanes` are being written, the others wait."""
    coalescer = Coalescer(disk.write, lanes=lanes)
    tasks = [
        asyncio.create_task(coalescer.submit(prepared(f"s{number}"))) for number in range(count)
    ]
    for _ in range(lanes):
        await disk.begun.acquire()
    return tasks


async def test_an_append_alone_is_written_at_once_by_itself() -> None:
    disk = Disk()
    disk.gate.set()
    result = await Coalescer(disk.write).submit(prepared("s"))
    assert isinstance(result, Appended)
    assert disk.batches == [["s"]]


async def test_those_that_come_meanwhile_share_the_next_write_in_their_order() -> None:
    disk = Disk()
    tasks = await started(disk, 5)
    disk.gate.set()
    results = await asyncio.gather(*tasks)
    assert disk.batches == [["s0"], ["s1", "s2", "s3", "s4"]]
    assert [result.stream for result in results] == ["s0", "s1", "s2", "s3", "s4"]


async def test_a_cancelled_caller_leaves_the_queue_and_the_others_stay() -> None:
    disk = Disk()
    tasks = await started(disk, 4)
    tasks[2].cancel()
    disk.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert disk.batches == [["s0"], ["s1", "s3"]]
    assert isinstance(results[2], asyncio.CancelledError)


async def test_a_caller_cancelled_while_its_batch_is_written_spoils_nothing() -> None:
    disk = Disk()
    tasks = await started(disk, 1)
    coalescer_tasks = await started(disk, 3)
    coalescer_tasks[0].cancel()
    disk.gate.set()
    results = await asyncio.gather(*coalescer_tasks[1:], *tasks)
    assert all(isinstance(result, Appended) for result in results)


async def test_a_statement_refused_is_tried_member_by_member() -> None:
    disk = Disk()
    disk.poison = {"s2"}
    tasks = await started(disk, 4)
    disk.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert disk.batches == [["s0"], ["s1", "s2", "s3"], ["s1"], ["s2"], ["s3"]]
    assert [isinstance(result, Appended) for result in results] == [True, True, False, True]


async def test_a_lost_database_is_told_to_every_caller_and_the_next_can_try() -> None:
    disk = Disk()
    disk.poison, disk.error = {"s1"}, Unavailable("gone", ambiguous=True)
    coalescer = Coalescer(disk.write, lanes=1)
    tasks = [asyncio.create_task(coalescer.submit(prepared(f"s{n}"))) for n in range(3)]
    await disk.begun.acquire()
    disk.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Appended, Unavailable, Unavailable]
    assert isinstance(await coalescer.submit(prepared("s9")), Appended)


async def test_batches_have_a_size() -> None:
    disk = Disk()
    coalescer = Coalescer(disk.write, lanes=1)
    most = MAX_EVENTS // 20
    tasks = [
        asyncio.create_task(coalescer.submit(prepared(f"s{n}", *new_events(20))))
        for n in range(most + 3)
    ]
    await disk.begun.acquire()
    disk.gate.set()
    await asyncio.gather(*tasks)
    assert [len(batch) for batch in disk.batches] == [1, most, 2]


async def test_a_large_append_waits_for_no_lane() -> None:
    disk = Disk()
    coalescer = Coalescer(disk.write, lanes=1)
    tasks = [
        asyncio.create_task(coalescer.submit(prepared(stream, *new_events(count))))
        for stream, count in (("s0", 1), ("s1", 1), ("s2", 100), ("s3", 100))
    ]
    for _ in range(3):
        await disk.begun.acquire()
    assert disk.batches == [["s0"], ["s2"], ["s3"]]
    disk.gate.set()
    await asyncio.gather(*tasks)
    assert disk.batches[3:] == [["s1"]]


async def test_appends_to_a_stream_that_is_being_written_share_the_next_write() -> None:
    disk = Disk()
    coalescer = Coalescer(disk.write, lanes=2)
    tasks = [
        asyncio.create_task(coalescer.submit(prepared(stream)))
        for stream in ("hot", "hot", "other", "hot", "other")
    ]
    for _ in range(2):
        await disk.begun.acquire()
    assert disk.batches == [["hot"], ["other"]]
    disk.gate.set()
    await asyncio.gather(*tasks)
    assert disk.batches[2:] == [["other", "hot", "hot"]]


async def test_two_large_appends_to_a_stream_are_on_their_way_and_the_rest_shares_a_write() -> (
    None
):
    disk = Disk()
    coalescer = Coalescer(disk.write, lanes=2)
    tasks = [
        asyncio.create_task(coalescer.submit(prepared("hot", *new_events(50))))
        for _ in range(5)
    ]
    for _ in range(2):
        await disk.begun.acquire()
    await asyncio.sleep(0)
    assert disk.batches == [["hot"], ["hot"]]
    disk.gate.set()
    results = await asyncio.gather(*tasks)
    assert disk.batches[2:] == [["hot", "hot", "hot"]]
    assert all(isinstance(result, Appended) for result in results)


async def test_a_caller_cancelled_behind_a_stream_or_in_its_write_holds_nobody_up() -> None:
    disk = Disk()
    coalescer = Coalescer(disk.write, lanes=1)
    tasks = [asyncio.create_task(coalescer.submit(prepared("hot"))) for _ in range(4)]
    await disk.begun.acquire()
    tasks[1].cancel()
    tasks[0].cancel()
    disk.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results[2:]] == [Appended, Appended]
    assert disk.batches == [["hot"], ["hot", "hot"]]
    assert isinstance(await coalescer.submit(prepared("hot")), Appended)


@pytest.mark.parametrize("lanes", [1, 2, 3])
async def test_lanes_bound_the_writes_under_way(lanes: int) -> None:
    disk = Disk()
    tasks = await started(disk, 6, lanes)
    assert len(disk.batches) == lanes
    disk.gate.set()
    await asyncio.gather(*tasks)
    assert sum(len(batch) for batch in disk.batches) == 6


async def test_those_who_append_again_as_soon_as_they_are_told_share_the_next_write() -> None:
    sizes: list[int] = []

    async def write(members: Sequence[PreparedAppend]) -> list[AppendResult]:
        sizes.append(len(members))
        await asyncio.sleep(0.001)
        return [Appended(member.stream, 1, 1, (1,), duplicate=False) for member in members]

    coalescer = Coalescer(write)

    async def append(caller: int) -> None:
        for number in range(5):
            await coalescer.submit(prepared(f"s{caller}-{number}"))

    await asyncio.gather(*[append(caller) for caller in range(8)])
    # The very first one found nobody else; from then on nobody writes alone until the last.
    assert sum(sizes) == 40
    assert sizes[0] == 1
    assert len(sizes) <= 7, sizes


async def test_a_write_that_takes_long_holds_up_nobody_else() -> None:
    disk = Disk()
    coalescer = Coalescer(disk.write, lanes=1)
    tasks = [
        asyncio.create_task(coalescer.submit(prepared(stream)))
        for stream in ("stuck", "b", "stuck", "c")
    ]
    await disk.begun.acquire()
    await disk.begun.acquire()
    assert disk.batches == [["stuck"], ["b", "c"]]
    disk.gate.set()
    await asyncio.gather(*tasks)
    assert disk.batches[2:] == [["stuck"]]
    # The lane that was lent is back: again one write at a time.
    disk.gate.clear()
    later = [asyncio.create_task(coalescer.submit(prepared(f"d{n}"))) for n in range(3)]
    await asyncio.sleep(0)
    assert disk.batches[3:] == [["d0"]]
    disk.gate.set()
    await asyncio.gather(*later)


async def test_writes_that_take_long_leave_connections_for_others() -> None:
    disk = Disk()
    coalescer = Coalescer(disk.write, lanes=1)
    tasks = []
    for number in range(4):
        tasks.append(asyncio.create_task(coalescer.submit(prepared(f"s{number}"))))
        await disk.begun.acquire()
    tasks.append(asyncio.create_task(coalescer.submit(prepared("waits"))))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(disk.begun.acquire(), 0.1)
    disk.gate.set()
    await asyncio.gather(*tasks)
    assert disk.batches == [["s0"], ["s1"], ["s2"], ["s3"], ["waits"]]
