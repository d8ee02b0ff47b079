import asyncio
from typing import cast

import pytest

from eventstore.errors import Unavailable
from eventstore.pool import Pool, Raw


class Line:
    """Stands for the driver's connection: what the pool asks of it."""

    def __init__(self) -> None:
        self.closed = False
        self.busy = False
        self.polite = asyncio.Event()

    def is_closed(self) -> bool:
        return self.closed

    def is_in_transaction(self) -> bool:
        return self.busy

    def terminate(self) -> None:
        self.closed = True

    async def close(self) -> None:
        await self.polite.wait()
        self.closed = True


def pool_of(size: int, deadline: float = 5.0) -> tuple[Pool, list[Line]]:
    made: list[Line] = []

    async def connect() -> Raw:
        made.append(Line())
        await asyncio.sleep(0)
        return cast("Raw", made[-1])

    return Pool(connect, size=size, deadline=deadline), made


async def test_the_connection_used_last_is_lent_first_and_no_more_than_needed_are_made() -> (
    None
):
    pool, made = pool_of(3)
    first, second = await pool.acquire(), await pool.acquire()
    pool.release(first)
    pool.release(second)
    assert await pool.acquire() is second
    assert len(made) == 2


async def test_borrowers_wait_their_turn_and_not_for_ever() -> None:
    pool, _ = pool_of(1, deadline=0.05)
    held = await pool.acquire()
    with pytest.raises(Unavailable, match="came free"):
        await pool.acquire()
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    pool.release(held)
    assert await waiting is held


async def test_a_cancelled_borrower_passes_its_turn_on() -> None:
    pool, _ = pool_of(1)
    held = await pool.acquire()
    first, second = asyncio.create_task(pool.acquire()), asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    pool.release(held)
    first.cancel()
    assert await second is held
    with pytest.raises(asyncio.CancelledError):
        await first


@pytest.mark.parametrize("state", ["closed", "busy"])
async def test_what_comes_back_unfit_is_replaced(state: str) -> None:
    pool, made = pool_of(1)
    raw = await pool.acquire()
    setattr(made[0], state, True)
    pool.release(raw)
    assert made[0].closed
    assert await pool.acquire() is cast("Raw", made[1])


async def test_closing_ends_what_does_not_end_by_itself() -> None:
    pool, made = pool_of(2, deadline=0.05)
    await pool.acquire()
    idle = await pool.acquire()
    pool.release(idle)
    await pool.close()
    assert all(line.closed for line in made)
    with pytest.raises(Unavailable, match="closed"):
        await pool.acquire()


async def test_a_failed_connection_gives_its_place_back() -> None:
    attempts = 0

    async def connect() -> Raw:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError("refused")
        return cast("Raw", Line())

    pool = Pool(connect, size=1, deadline=1)
    with pytest.raises(OSError, match="refused"):
        await pool.acquire()
    assert await pool.acquire() is not None
