"""Daemons tell each other of dispatches that they planned for the others' partitions."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from bridge.dispatch.dispatchers import Dispatchers
from bridge.dispatch.notices import PlanNotices, read_bits
from bridge.dispatch.partitions import PARTITIONS, partition_of
from eventstore.database import Database
from tests.support.daemon_parts import Parts, ScriptedTemporal, running
from tests.support.waiting import eventually


class Heard:
    """Counts notices."""

    def __init__(self, database: Database, partitions: Collection[int]) -> None:
        self.partitions = partitions
        self.times = 0
        self.last = asyncio.Event()
        self.notices = PlanNotices(database, lambda: self.partitions, self._planned)

    def _planned(self) -> None:
        self.times += 1
        self.last.set()

    async def next(self) -> None:
        await asyncio.wait_for(self.last.wait(), 30)
        self.last.clear()


@asynccontextmanager
async def listening(heard: Heard) -> AsyncIterator[None]:
    await heard.notices.start()
    try:
        await asyncio.wait_for(heard.notices.listening.wait(), 30)
        await heard.next()  # what came before it listened
        yield
    finally:
        await heard.notices.stop()


async def test_a_daemon_hears_of_its_own_partitions_only(database: Database) -> None:
    heard, sender = Heard(database, {1, 2}), Heard(database, {3})
    async with listening(heard):
        sender.notices.announce([5, 31])
        await sender.notices.flush()
        sender.notices.announce([2, 5])
        await heard.next()
        assert heard.times == 2


async def test_notices_are_sent_together(database: Database) -> None:
    heard, sender = Heard(database, {1, 2}), Heard(database, {3})
    async with listening(heard):
        for number in (1, 5, 2):
            sender.notices.announce([number])
        await heard.next()
        assert heard.times == 2


async def test_it_listens_again_when_its_connection_was_ended(database: Database) -> None:
    heard, sender = Heard(database, {1}), Heard(database, {3})
    async with listening(heard):
        await database.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and application_name like '%-listen'"
        )
        await heard.next()  # it looks once when it listens again
        sender.notices.announce([1])
        await heard.next()


async def test_a_daemon_that_holds_all_partitions_does_not_listen(database: Database) -> None:
    alone = Heard(database, range(PARTITIONS))
    async with listening_later(alone):
        assert not alone.notices.listening.is_set()
        alone.partitions = {1}
        await asyncio.wait_for(alone.notices.listening.wait(), 30)


@asynccontextmanager
async def listening_later(heard: Heard) -> AsyncIterator[None]:
    await heard.notices.start()
    try:
        yield
    finally:
        await heard.notices.stop()


def test_what_another_release_sends_is_for_all() -> None:
    assert read_bits("no number") == 2**PARTITIONS - 1
    assert read_bits("a0") == 0b1010_0000


async def test_intake_in_one_daemon_wakes_the_daemon_that_holds_the_partition(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    one, other = parts.dispatcher("one"), parts.dispatcher("other")
    heard = asyncio.Event()

    def woken() -> None:
        heard.set()
        other.wake()

    receiver = PlanNotices(parts.database, lambda: other.ownership.active, woken)
    sender = PlanNotices(parts.database, lambda: one.ownership.active, one.wake)
    intake = Dispatchers([one], lambda: one.ownership.active)
    intake.announce = sender.announce
    async with running(one, other):
        await eventually(
            lambda: len(one.ownership.active) == len(other.ownership.active) == PARTITIONS // 2,
            within=60,
            what="an even share",
        )
        await receiver.start()
        try:
            await asyncio.wait_for(receiver.listening.wait(), 30)
            heard.clear()
            theirs = next(
                key
                for key in map(str, range(1000))
                if partition_of(key) in other.ownership.active
            )
            await parts.plan((theirs, 1))
            intake.hand_over(intake.window(), 1, [], {partition_of(theirs)})
            await asyncio.wait_for(heard.wait(), 30)
            await eventually(lambda: temporal.numbers(theirs) == [1], what="its call")
        finally:
            await receiver.stop()
