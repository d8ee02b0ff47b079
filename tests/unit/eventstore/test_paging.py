import asyncio
from collections.abc import Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from eventstore.errors import Unavailable
from eventstore.paging import END, Walk, Windows, pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventstore.database import Database

WALK = Walk("page", "position", forward=True)


class Log:
    """Positions from 1 on without end, and what has been asked for."""

    def __init__(self, answers: int = 100) -> None:
        self.asked: list[int] = []
        self.planned: list[int] = []
        self._answers = answers

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[Log]":
        yield self

    async def fetch(
        self, _sql: str, after: int, _through: int, rows: int, _bytes: int, _server: None
    ) -> list[dict[str, int]]:
        self.asked.append(after)
        return [{"position": after + n} for n in range(1, rows + 1)]

    async def fetch_planned(
        self, sql: str, *arguments: Any, prepared: Callable[[], None]
    ) -> list[dict[str, int]]:
        for _ in range(3):
            await asyncio.sleep(0)  # until the server has answered that it is prepared
        if len(self.asked) == self._answers:
            raise Unavailable("gone")
        prepared()
        self.planned.append(arguments[0])
        return await self.fetch(sql, *arguments)


@pytest.mark.parametrize("filtered", [False, True])
async def test_the_next_page_is_asked_for_before_this_one_is_handed_out(
    *, filtered: bool
) -> None:
    log, walk = Log(), replace(WALK, filtered=filtered)
    found = pages(cast("Database", log), walk, 0, END, rows=10)
    async with aclosing(found):
        assert [row["position"] for row in await anext(found)] == list(range(1, 11))
        assert log.asked == [0, 10]
        await anext(found)
        assert log.asked == [0, 10, 20]


async def test_a_page_that_cannot_be_asked_for_does_not_hold_the_one_before() -> None:
    log = Log(answers=1)
    found = pages(cast("Database", log), replace(WALK, filtered=True), 0, END, rows=10)
    async with aclosing(found):
        assert len(await anext(found)) == 10
        with pytest.raises(Unavailable):
            await anext(found)


async def test_a_statement_is_planned_for_its_arguments_only_where_it_may_read_many_rows() -> (
    None
):
    log, walk = Log(), replace(WALK, filtered=True)
    for after, through in ((0, 500), (1_000, 1_501)):
        async with aclosing(
            pages(cast("Database", log), walk, after, through, limit=10, rows=10)
        ) as found:
            assert len(await anext(found)) == 10
    assert log.asked == [0, 1_000]
    assert log.planned == [1_000]


def test_windows_become_as_narrow_as_full_pages_need_and_wide_again_where_pages_are_not_full() -> (
    None
):
    windows = Windows(Walk("page", "position", forward=True, filtered=True), 0, 10**9)
    windows.read_to(2_000)
    assert windows.current == (2_000, 6_000)
    windows.read_to(2_010)
    assert windows.current == (2_010, 3_010)
    windows.read(0.001)
    assert windows.current == (3_010, 7_010)
    windows.read(0.001)
    assert windows.current == (7_010, 23_010)


def test_windows_become_narrow_backwards_too() -> None:
    windows = Windows(Walk("page", "position", forward=False, filtered=True), 0, 100_000)
    windows.read_to(98_001)
    assert windows.current == (94_000, 98_000)


def test_a_walk_that_is_not_filtered_has_one_window() -> None:
    windows = Windows(WALK, 0, 100_000)
    windows.read_to(1_000)
    assert windows.current == (1_000, 100_000)
