from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, cast

from eventstore.paging import END, Walk, pages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eventstore.database import Database

WALK = Walk("page", "position", forward=True)


class Log:
    """Positions from 1 on without end, and what has been asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[Log]":
        yield self

    async def fetch(
        self, _sql: str, after: int, _through: int, rows: int, _bytes: int, _server: None
    ) -> list[dict[str, int]]:
        self.asked.append(after)
        return [{"position": after + n} for n in range(1, rows + 1)]


async def test_the_next_page_is_asked_for_before_this_one_is_handed_out() -> None:
    log = Log()
    found = pages(cast("Database", log), WALK, 0, END, rows=10)
    async with aclosing(found):
        assert [row["position"] for row in await anext(found)] == list(range(1, 11))
        assert log.asked == [0, 10]
        await anext(found)
        assert log.asked == [0, 10, 20]
