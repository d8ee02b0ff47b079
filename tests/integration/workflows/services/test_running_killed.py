"""Services that run, with the worker killed before every write and every order to a supervisor."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from eventstore.database import Database
from tests.integration.workflows.services.world import World, priced
from tests.support.services import ending_services
from tests.support.state_kills import at_every_moment
from workflows.adapters.services.control import Control
from workflows.adapters.services.runner import ProcessRunner

pytestmark = [pytest.mark.torture, pytest.mark.timeout(1800)]

ORDERS = ((Control, "ask"), (ProcessRunner, "_spawn"))


async def _first(world: World) -> None:
    await world.deploy("r1", priced(1))


async def _second(world: World) -> None:
    await world.deploy("r2", priced(2))


async def _at_every_moment(
    database: Database,
    folder: Path,
    act: Callable[[World], Awaitable[None]],
    after: Callable[[World], Awaitable[None]],
    *begin: Callable[[World], Awaitable[None]],
) -> int:
    def world(moment: int) -> World:
        return World(database, folder, f"shop-{moment}")

    async def before(world: World) -> None:
        for each in begin:
            await each(world)

    async with ending_services(database.dsn):
        return await at_every_moment(world, before, act, after, ORDERS)


async def test_killed_anywhere_clients_get_one_of_both_and_the_retry_completes(
    database: Database, tmp_path: Path
) -> None:
    async def deployed(world: World) -> None:
        assert await world.price() in {1, 2}
        await world.deploy("r2", priced(2))
        assert (await world.current(), await world.price()) == ("r2", 2)

    assert await _at_every_moment(database, tmp_path, _second, deployed, _first) > 5


async def test_killed_anywhere_rolling_back_leaves_the_one_before(
    database: Database, tmp_path: Path
) -> None:
    async def rolled_back(world: World) -> None:
        assert await world.roll_back("r2") in {(True, "r1"), (False, "r1")}
        assert (await world.current(), await world.price()) == ("r1", 1)

    assert await _at_every_moment(database, tmp_path, _second, rolled_back, _first) > 5


async def test_killed_anywhere_the_keeper_makes_the_records_true(
    database: Database, tmp_path: Path
) -> None:
    async def kept(world: World) -> None:
        await world.keeper.look()
        current = await world.current()
        assert await world.price() == (None if current is None else 1)

    assert await _at_every_moment(database, tmp_path, _first, kept) > 5
