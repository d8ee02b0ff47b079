"""Limits that daemons share by lease, in a real database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.dispatch.permits import Permits
from bridge.dispatch.sharing import request_lease, unit_lease
from eventstore.database import Database
from eventstore.leases import Leases
from tests.support.waiting import eventually


@asynccontextmanager
async def running(*permits: Permits) -> AsyncIterator[None]:
    for each in permits:
        await each.start()
    try:
        yield
    finally:
        for each in permits:
            await each.stop()


def permits(database: Database, owner: str) -> Permits:
    return Permits(Leases(database), owner)


async def parts(*daemons: Permits, limit: int, expected: list[int]) -> None:
    """Let all daemons ask for a limit until they have these parts, in some order."""

    def asked() -> bool:
        values = [each.share("shop", "calls", limit).value for each in daemons]
        assert sum(values) <= limit
        return sorted(values) == sorted(expected)

    await eventually(asked, what=f"parts {expected} of {limit}")


async def test_one_daemon_has_the_whole_limit(database: Database) -> None:
    alone = permits(database, "alone")
    grown = asyncio.Event()
    alone.add(grown.set)
    async with running(alone):
        assert alone.share("shop", "calls", 5).value == 0
        await asyncio.wait_for(grown.wait(), 30)
        assert alone.share("shop", "calls", 5).value == 5
        assert (alone.held("shop", "calls"), alone.held("shop", "rate")) == (5, 0)
    assert await Leases(database).held("limit/") == {}


async def test_daemons_divide_a_limit_evenly(database: Database) -> None:
    one, two, three = (permits(database, name) for name in ("one", "two", "three"))
    async with running(one, two, three):
        await parts(one, limit=5, expected=[5])
        await parts(one, two, limit=5, expected=[2, 3])
        await parts(one, two, three, limit=5, expected=[2, 2, 1])


async def test_a_limit_larger_than_the_number_of_units_is_divided_whole(
    database: Database,
) -> None:
    one, two = permits(database, "one"), permits(database, "two")
    async with running(one, two):
        await parts(one, two, limit=1001, expected=[500, 501])


async def test_what_is_in_use_is_handed_on_when_the_call_has_ended(database: Database) -> None:
    one, two = permits(database, "one"), permits(database, "two")
    async with running(one, two):
        await parts(one, limit=2, expected=[2])
        share = one.share("shop", "calls", 2)
        share.in_use = 2

        def handing_on() -> bool:
            assert two.share("shop", "calls", 2).value == 0
            return one.share("shop", "calls", 2).value == 1

        await eventually(handing_on, what="a unit that no new call may use")
        share.in_use = 1
        await parts(one, two, limit=2, expected=[1, 1])


async def test_more_daemons_than_calls_take_turns(database: Database) -> None:
    daemons = [permits(database, name) for name in ("one", "two", "three")]
    had: set[int] = set()

    def all_had_a_turn() -> bool:
        shares = [each.share("shop", "calls", 1) for each in daemons]
        assert sum(share.value for share in shares) <= 1
        for number, share in enumerate(shares):
            if share.value:
                share.calls += 1
                had.add(number)
        return len(had) == 3

    async with running(*daemons):
        await eventually(all_had_a_turn, what="a turn for each daemon")


async def test_a_daemon_without_calls_leaves_the_limit_to_the_others(
    database: Database,
) -> None:
    one, two = permits(database, "one"), permits(database, "two")
    async with running(one, two):
        await parts(one, two, limit=4, expected=[2, 2])
        await parts(two, limit=4, expected=[4])


async def test_the_part_of_a_daemon_that_died_is_free_when_its_leases_expire(
    database: Database,
) -> None:
    # What a killed process leaves: leases that nobody renews.
    dead = [unit_lease("shop", "calls", 0), unit_lease("shop", "calls", 1)]
    dead.append(request_lease("shop", "calls", "0"))
    assert len(await Leases(database).acquire_all(dead, "dead", 2.0)) == 3
    heir = permits(database, "heir")
    async with running(heir):
        await parts(heir, limit=4, expected=[2])
        await parts(heir, limit=4, expected=[4])


async def test_a_part_ends_when_another_daemon_has_taken_it(
    database: Database,
) -> None:
    cut_off = permits(database, "cut-off")
    async with running(cut_off):
        await parts(cut_off, limit=4, expected=[4])
        await database.execute("update leases set owner = 'another' where name like 'limit/%'")

        def lost() -> bool:
            return cut_off.share("shop", "calls", 4).value == 0

        await eventually(lost, what="the end of its part")
