"""Environments on this machine: made, restored, destroyed."""

import asyncio
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually
from tests.unit.workflows.adapters.local.world import FIRST, SECOND, World, resource
from workflows.adapters.local.environments import LocalProvisioner
from workflows.errors import PlanOutdatedError, ProvisionRefusedError, RunUndoneError


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_what_was_planned_is_made_and_real(world: World) -> None:
    assert await world.provision("one", *FIRST) == 1
    world.holds(*FIRST)
    assert (world.folder / "resources/files/objects").is_dir()
    assert await world.provision("two", *SECOND) == 2
    world.holds(*SECOND)
    assert (world.folder / "resources/disk/volume.img").stat().st_size == 3 * 2**20
    assert world.state.made_by == "one"


async def test_a_repeat_changes_nothing(world: World) -> None:
    plan = await world.plan(*FIRST)
    assert [await world.apply("one", plan) for _ in range(3)] == [1, 1, 1]
    assert world.changes == [(1, "provision")]


async def test_a_plan_is_applied_to_what_it_was_made_for_and_to_nothing_else(
    world: World,
) -> None:
    stale = await world.plan(*FIRST)
    await world.provision("one", resource("other"))
    with pytest.raises(PlanOutdatedError, match="plan again"):
        await world.apply("two", stale)
    world.holds(resource("other"))


async def test_a_plan_that_was_tampered_with_is_refused(world: World) -> None:
    plan = await world.plan(*FIRST)
    with pytest.raises(ProvisionRefusedError, match="changed after it was made"):
        await world.apply("one", plan.model_copy(update={"desired": ()}))


async def test_one_key_applies_one_plan(world: World) -> None:
    await world.provision("one", *FIRST)
    with pytest.raises(ProvisionRefusedError, match="another plan"):
        await world.provision("one", *SECOND)


async def test_rolling_back_restores_everything_the_data_of_what_was_destroyed_too(
    world: World,
) -> None:
    await world.provision("one", *FIRST)
    with closing(sqlite3.connect(world.folder / "resources/orders/database.sqlite3")) as orders:
        orders.execute("create table orders (id)")
    await world.provision("two", *SECOND)
    assert await world.roll_back("two")
    world.holds(*FIRST)
    with closing(sqlite3.connect(world.folder / "resources/orders/database.sqlite3")) as orders:
        assert orders.execute("select count(*) from orders").fetchone() == (0,)
    assert await world.roll_back("two"), "the repeat says the same"
    assert world.changes == [(1, "provision"), (2, "provision"), (3, "roll back")]


async def test_rolling_back_the_first_change_leaves_no_environment(world: World) -> None:
    await world.provision("one", *FIRST)
    await world.roll_back("one")
    world.holds()
    assert not world.state.exists


async def test_rolling_back_is_harmless_when_there_is_nothing_to_undo(world: World) -> None:
    assert not await world.roll_back("nobody")
    await world.provision("one", *FIRST)
    assert not await world.roll_back("nobody")
    world.holds(*FIRST)


async def test_nothing_is_rolled_back_over_the_changes_of_others(world: World) -> None:
    await world.provision("one", *FIRST)
    await world.provision("two", *SECOND)
    with pytest.raises(PlanOutdatedError, match="undoing would undo that too"):
        await world.roll_back("one")
    world.holds(*SECOND)


async def test_a_try_that_comes_after_the_rollback_is_refused(world: World) -> None:
    plan = await world.plan(*FIRST)
    await world.roll_back("one")
    with pytest.raises(RunUndoneError, match="was undone"):
        await world.apply("one", plan)
    assert world.there == {}


async def test_what_cannot_be_made_is_told_and_undone_by_rolling_back(world: World) -> None:
    await world.provision("one", *FIRST)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ProvisionRefusedError, match=f"web: port {port} cannot be used"):
            await world.provision("two", *SECOND, resource("web", "endpoint", port=port))
    assert await world.roll_back("two")
    world.holds(*FIRST)
    assert await world.roll_back("two"), "the repeat says the same"
    assert await world.provision("three", *SECOND) == 2


@pytest.mark.parametrize(
    ("kind", "properties", "reason"),
    [
        ("volume", {}, "needs size_mb"),
        ("volume", {"size_mb": True}, "needs size_mb"),
        ("volume", {"size_mb": 10**9}, "does not fit"),
        ("endpoint", {"port": 0}, "0 is not a port"),
        ("endpoint", {"port": "80"}, "needs port"),
    ],
)
async def test_what_can_never_be_made(
    world: World, kind: str, properties: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ProvisionRefusedError, match=reason):
        await world.provision("one", resource("it", kind, **properties))


async def test_destroying_takes_everything_and_is_harmless_to_repeat(world: World) -> None:
    assert await world.destroy("nothing-there") == ()
    await world.provision("one", *FIRST)
    assert await world.destroy("two") == ("files", "old", "orders")
    assert await world.destroy("two") == ("files", "old", "orders")
    assert await world.destroy("three") == ()
    world.holds()


async def test_a_compensation_destroys_what_its_run_has_made_and_nothing_else(
    world: World,
) -> None:
    await world.provision("one", *FIRST)
    await world.provision("two", *SECOND)
    assert await world.destroy("two", made_by="two") == (), "two has not made it"
    with pytest.raises(PlanOutdatedError, match="changed by two since"):
        await world.destroy("one", made_by="one")
    world.holds(*SECOND)


async def test_a_cancelled_provision_stops_and_can_be_undone(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.provisioner = LocalProvisioner(tmp_path, pause=0.05)
    plan = await world.plan(*(resource(f"r{number}") for number in range(100)))
    provisioning = asyncio.create_task(world.apply("one", plan))
    await eventually((world.folder / "resources/r1").exists)
    provisioning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await provisioning
    assert 0 < len(world.there) < 50
    assert await world.roll_back("one")
    assert world.there == {}


async def test_changes_of_one_environment_exclude_each_other(world: World) -> None:
    plan = await world.plan(*FIRST)
    done = await asyncio.gather(
        *(world.apply(f"key {number}", plan) for number in range(4)), return_exceptions=True
    )
    assert sum(each == 1 for each in done) == 1
    assert sum(isinstance(each, PlanOutdatedError) for each in done) == 3
