"""Events ahead of their calls: few round trips, bounded memory, never the wrong event."""

from collections.abc import Collection
from typing import cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from bridge.dispatch.ledger import Ledger
from bridge.dispatch.prefetch import AT_ONCE, Fetcher
from eventstore.errors import Unavailable
from eventstore.events import StoredEvent
from tests.unit.bridge.builders import EVENT, stored
from tests.unit.bridge.dispatch.builders import dispatch


class Table:
    """Counts what it is asked for."""

    def __init__(self, size: int = 10) -> None:
        self.asked: list[int] = []
        self.size = size
        self.away = False

    async def events(self, uids: Collection[UUID]) -> dict[UUID, StoredEvent]:
        self.asked.append(len(uids))
        if self.away:
            raise Unavailable("away")
        event = structs.replace(EVENT, data=b"1" * self.size)
        return {uid: stored(event, uid=uid) for uid in uids}


def fetcher(table: Table) -> Fetcher:
    return Fetcher(cast("Ledger", table))


async def test_one_round_trip_brings_the_next_events_too() -> None:
    table = Table()
    fetching = fetcher(table)
    taken = [dispatch(number) for number in range(1, 101)]
    fetching.expect(taken)
    for each in taken:
        (event,) = await fetching.events([each])
        assert event.uid == each.uid
    assert table.asked == [AT_ONCE, AT_ONCE, AT_ONCE, 100 - 3 * AT_ONCE]


async def test_what_nobody_expects_is_fetched_by_itself() -> None:
    table = Table()
    fetching = fetcher(table)
    events = await fetching.events([dispatch(7), dispatch(9), dispatch(7, key="other")])
    assert [event.uid for event in events] == [UUID(int=7), UUID(int=9), UUID(int=7)]
    assert table.asked == [2]


async def test_of_large_events_few_are_kept_ahead_of_need_and_those_that_are_wanted_next() -> (
    None
):
    table = Table(size=2**20)
    fetching = fetcher(table)
    taken = [dispatch(number) for number in range(1, 3 * AT_ONCE + 1)]
    fetching.expect(taken)
    for each in taken[:9]:
        (event,) = await fetching.events([each])
        assert event.uid == each.uid
    assert table.asked == [AT_ONCE], "8 MB are kept"
    await fetching.events([taken[AT_ONCE - 1]])
    assert len(table.asked) == 2, "and no more"


async def test_what_is_left_of_lanes_that_were_dropped_makes_room_for_what_is_wanted() -> None:
    table = Table()
    fetching = fetcher(table)
    for first in range(1, 2001, AT_ONCE):
        fetching.expect([dispatch(number) for number in range(first, first + AT_ONCE)])
        await fetching.events([dispatch(first)])
    wanted = [dispatch(number) for number in range(3001, 3001 + AT_ONCE)]
    fetching.expect(wanted)
    table.asked.clear()
    for each in wanted:
        await fetching.events([each])
    assert table.asked == [AT_ONCE]


async def test_what_could_not_be_fetched_is_fetched_again() -> None:
    table = Table()
    fetching = fetcher(table)
    taken = [dispatch(number) for number in range(1, 4)]
    fetching.expect(taken)
    table.away = True
    with pytest.raises(Unavailable):
        await fetching.events(taken[:1])
    table.away = False
    for each in taken:
        assert [event.uid for event in await fetching.events([each])] == [each.uid]


@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(1, 60), min_size=1, max_size=40)),
        max_size=60,
    )
)
async def test_whatever_the_order_each_dispatch_gets_its_own_event(
    steps: list[tuple[bool, list[int]]],
) -> None:
    fetching = fetcher(Table())
    for expected, numbers in steps:
        chosen = [dispatch(number) for number in numbers]
        if expected:
            fetching.expect(chosen)
        else:
            found = await fetching.events(chosen)
            assert [event.uid for event in found] == [each.uid for each in chosen]
