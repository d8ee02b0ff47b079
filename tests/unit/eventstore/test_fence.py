"""The fence's arithmetic against a world of transactions that does the worst it may, and servers that take over."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import repeat
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import fence as fence_module
from eventstore.appending import STATEMENTS
from eventstore.database import Database
from eventstore.errors import HistoryLost, Unavailable
from eventstore.fence import Fence
from eventstore.marks import Final, Marks
from tests.support.waiting import eventually


class World:
    """Transactions that take the table's lock, then draw positions, then end; and a fence beside them."""

    def __init__(self) -> None:
        self.marks = Marks()
        self.drawn = 0
        self.open: dict[str, list[int]] = {}
        self.started = 0
        self.last = 0

    def start(self) -> None:
        self.started += 1
        self.open[f"1/{self.started}"] = []

    def draw(self, which: int) -> None:
        if self.open:
            self.drawn += 1
            self.open[sorted(self.open)[which % len(self.open)]].append(self.drawn)

    def end(self, which: int) -> None:
        if self.open:
            del self.open[sorted(self.open)[which % len(self.open)]]

    def read_sequence(self) -> None:
        self.last = self.drawn

    def read_holders(self) -> None:
        self.marks.observe(self.last, list(self.open))
        unfinished = [position for drawn in self.open.values() for position in drawn]
        assert self.marks.through < min(unfinished, default=self.drawn + 1)
        assert self.marks.through <= self.drawn


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["start", "draw", "draw", "end", "read_sequence", "read_holders"]),
            st.integers(0, 9),
        ),
        max_size=200,
    )
)
def test_nothing_unfinished_is_ever_below_the_fence(steps: list[tuple[str, int]]) -> None:
    world = World()
    for step, which in steps:
        # Whatever happens between the two reads happens in this list too.
        if step in {"draw", "end"}:
            getattr(world, step)(which)
        else:
            getattr(world, step)()
    world.open.clear()
    world.read_sequence()
    world.read_holders()
    assert world.marks.through == world.drawn
    assert not world.marks.is_waiting


def test_a_quiet_log_is_final_at_the_first_look() -> None:
    marks = Marks()
    assert marks.observe(7, [])
    assert marks.through == 7
    assert not marks.observe(7, [])


def test_marks_are_pipelined() -> None:
    marks = Marks()
    marks.observe(10, ["a"])
    marks.observe(20, ["a", "b"])
    assert marks.through == 0
    marks.observe(30, ["b"])
    assert marks.through == 10
    marks.observe(30, [])
    assert marks.through == 30


def test_many_marks_behind_one_writer_stay_few() -> None:
    marks = Marks()
    for last in range(1, 1000):
        marks.observe(last, ["slow"])
    assert marks.holders == {"slow"}
    assert marks.observe(1000, [])
    assert marks.through == 1000


class Server:
    """A server, and a connection to it.

    Args:
        started: When it started, as a year.
        heads: The highest event at each mark; after them it is lost.
        events: The positions of its events.
    """

    def __init__(self, started: int, heads: Iterable[int], events: Sequence[int] = ()) -> None:
        self._started = datetime(started, 1, 1, tzinfo=UTC)
        self._heads = iter(heads)
        self._events = events
        self.times_asked = 0
        self.when_asked: Callable[[], None] = lambda: None
        """Called while it is asked for an event."""

    async def fetchval(self, _sql: str) -> str:
        return "channel"

    async def listen(self, _channel: str, _heard: Callable[[str], None]) -> None: ...

    def terminate(self) -> None: ...

    async def fetch(self, sql: str) -> list[tuple[object, ...]]:
        assert sql == STATEMENTS["fence_mark"]
        head = next(self._heads, None)
        if head is None:
            raise Unavailable("gone")
        return [(head, [], self._started, head, UUID(int=head))]

    async def fetchrow(
        self, sql: str, position: int, server: datetime
    ) -> dict[str, Any] | None:
        assert sql == STATEMENTS["uid_at"]
        assert server == self._started
        self.times_asked += 1
        self.when_asked()
        return (
            {"uid": UUID(int=position), "deleted": False} if position in self._events else None
        )


class Servers:
    """A database of which one server after the other is the primary."""

    def __init__(self, *servers: Server) -> None:
        self._servers = iter(servers)

    async def open(self, *, on_close: Callable[[], None]) -> Server:
        del on_close
        return next(self._servers)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL", "_RECONNECT"):
        monkeypatch.setattr(fence_module, name, 0.001)


@contextmanager
def following(*servers: Server) -> Iterator[Fence]:
    fence = Fence(cast("Database", Servers(*servers)))
    fence.join(0)
    yield fence


async def test_an_event_that_a_dying_server_has_shown_once_was_never_committed() -> None:
    with following(Server(2001, [5]), Server(2002, repeat(4), [3, 4])) as fence:
        seen = await fence.beyond(0)
        assert seen.through == 5
        final = await moved(fence, seen)
        assert final.through == 4
        assert not fence.reach(5, seen), "a page of the server that died"
        assert fence.reach(4, final)
        await fence.leave()


async def test_an_event_that_was_shown_twice_and_is_gone_is_history_lost() -> None:
    with following(Server(2001, [5, 5]), Server(2002, repeat(4), [3, 4])) as fence:
        with pytest.raises(HistoryLost, match="at position 5"):
            await moved(fence, await fence.beyond(0))
        await fence.leave()


async def test_an_event_that_a_follower_reached_and_is_gone_is_history_lost() -> None:
    with following(Server(2001, [5]), Server(2002, repeat(4), [3, 4])) as fence:
        seen = await fence.beyond(0)
        assert fence.reach(5, seen)
        with pytest.raises(HistoryLost, match="at position 5"):
            await moved(fence, seen)
        await fence.leave()


async def test_so_is_one_that_a_follower_reaches_while_the_next_server_is_asked() -> None:
    second = Server(2002, repeat(4), [3, 4])
    with following(Server(2001, [4, 5]), second) as fence:
        seen = await fence.beyond(4)

        def reach() -> None:
            if second.times_asked == 2:  # first for the event at 5, then for that at 4
                assert fence.reach(5, seen)

        second.when_asked = reach
        with pytest.raises(HistoryLost, match="at position 5"):
            await moved(fence, seen)
        await fence.leave()


async def test_a_server_that_has_everything_goes_on_where_the_other_was() -> None:
    with following(Server(2001, [5]), Server(2002, repeat(6), [3, 4, 5, 6])) as fence:
        seen = await fence.beyond(0)
        assert (await moved(fence, seen)).through >= 5
        assert (await fence.beyond(5)).through == 6
        await fence.leave()


async def moved(fence: Fence, before: Final) -> Final:
    """Wait until the fence is on another server."""

    async def has_moved() -> bool:
        return (await fence.beyond(0)).server != before.server

    await eventually(has_moved, within=10)
    return await fence.beyond(0)
