"""Environments whose state is in Postgres: made, restored, destroyed; shared by services."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from eventstore.database import Database
from tests.integration.workflows.environments.world import FIRST, SECOND, World, resource
from tests.support.waiting import eventually
from workflows.errors import (
    InvalidInputError,
    PlanOutdatedError,
    ProvisionRefusedError,
    RunUndoneError,
)
from workflows.messages.infra import Resource


async def test_what_was_planned_is_made_and_real(world: World) -> None:
    assert await world.provision("one", *FIRST) == 1
    await world.holds(*FIRST)
    assert await world.provision("two", *SECOND) == 2
    await world.holds(*SECOND)
    seen = await world.seen()
    assert (seen.places["disk"] / "volume.img").stat().st_size == 3 * 2**20
    assert seen.state.made_by == "one"


async def test_a_repeat_changes_nothing(world: World) -> None:
    plan = await world.plan(*FIRST)
    assert [await world.apply("one", plan) for _ in range(3)] == [1, 1, 1]
    assert await world.changes() == [(1, "provision")]


async def test_a_plan_is_applied_to_what_it_was_made_for_and_to_nothing_else(
    world: World,
) -> None:
    stale = await world.plan(*FIRST)
    await world.provision("one", resource("other"))
    with pytest.raises(PlanOutdatedError, match="plan again"):
        await world.apply("two", stale)
    await world.holds(resource("other"))


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
    place = (await world.seen()).places["orders"] / "database.sqlite3"
    with closing(sqlite3.connect(place)) as orders:
        orders.execute("create table orders (id)")
    await world.provision("two", *SECOND)
    assert (await world.seen()).places["orders"] != place.parent
    assert await world.roll_back("two")
    await world.holds(*FIRST)
    place = (await world.seen()).places["orders"] / "database.sqlite3"
    with closing(sqlite3.connect(place)) as orders:
        assert orders.execute("select count(*) from orders").fetchone() == (0,)
    assert await world.roll_back("two"), "the repeat says the same"
    assert await world.changes() == [(1, "provision"), (2, "provision"), (3, "roll back")]


async def test_rolling_back_the_first_change_leaves_no_environment(world: World) -> None:
    await world.provision("one", *FIRST)
    await world.roll_back("one")
    await world.holds()
    assert not (await world.seen()).state.exists


async def test_rolling_back_is_harmless_when_there_is_nothing_to_undo(world: World) -> None:
    assert not await world.roll_back("nobody")
    await world.provision("one", *FIRST)
    assert not await world.roll_back("nobody")
    await world.holds(*FIRST)


async def test_nothing_is_rolled_back_over_the_changes_of_others(world: World) -> None:
    await world.provision("one", *FIRST)
    await world.provision("two", *SECOND)
    with pytest.raises(PlanOutdatedError, match="undoing would undo that too"):
        await world.roll_back("one")
    await world.holds(*SECOND)


async def test_a_try_that_comes_after_the_rollback_is_refused(world: World) -> None:
    plan = await world.plan(*FIRST)
    await world.roll_back("one")
    with pytest.raises(RunUndoneError, match="was undone"):
        await world.apply("one", plan)
    assert (await world.seen()).made == {}


async def test_what_cannot_be_made_is_told_and_undone_by_rolling_back(world: World) -> None:
    await world.provision("one", *FIRST)
    await world.of("shop").provision("theirs", resource("door", "endpoint", port=80))
    with pytest.raises(ProvisionRefusedError, match="web: port 80 is reserved for another"):
        await world.provision("two", *SECOND, resource("web", "endpoint", port=80))
    assert await world.roll_back("two")
    await world.holds(*FIRST)
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
    await world.holds()


async def test_a_compensation_destroys_what_its_run_has_made_and_nothing_else(
    world: World,
) -> None:
    await world.provision("one", *FIRST)
    await world.provision("two", *SECOND)
    assert await world.destroy("two", made_by="two") == (), "two has not made it"
    with pytest.raises(PlanOutdatedError, match="changed by two since"):
        await world.destroy("one", made_by="one")
    await world.holds(*SECOND)


async def test_a_cancelled_provision_stops_and_can_be_undone(
    database: Database, tmp_path: Path
) -> None:
    world = World(database, tmp_path, pause=0.05)
    plan = await world.plan(*(resource(f"r{number}") for number in range(100)))
    provisioning = asyncio.create_task(world.apply("one", plan))
    await eventually((tmp_path / "environments/staging/-/r1").exists)
    provisioning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await provisioning
    assert 0 < len((await world.seen()).made) < 50
    assert await world.roll_back("one")
    assert (await world.seen()).made == {}


async def test_changes_of_one_environment_exclude_each_other(world: World) -> None:
    plan = await world.plan(*FIRST)
    done = await asyncio.gather(
        *(world.apply(f"key {number}", plan) for number in range(4)), return_exceptions=True
    )
    assert sum(each == 1 for each in done) == 1
    assert sum(isinstance(each, PlanOutdatedError) for each in done) == 3


async def test_two_services_share_an_environment_and_never_touch_each_other(
    world: World,
) -> None:
    shop, billing = world.of("shop"), world.of("billing")
    goods, bills = resource("goods"), resource("bills", "database")
    await shop.provision("shop 1", goods)
    await billing.provision("billing 1", bills)
    await shop.provision("shop 2", resource("goods", versioned=True), resource("prices"))
    await billing.holds(bills)
    assert await shop.roll_back("shop 2"), "billing's changes do not count"
    await shop.holds(goods)
    assert await billing.destroy("billing 2") == ("bills",)
    await billing.holds()
    await shop.holds(goods)


async def test_a_name_belongs_to_one_owner_in_an_environment(world: World) -> None:
    shop, billing = world.of("shop"), world.of("billing")
    stale = await billing.plan(resource("files"))
    await shop.provision("one", resource("files"))
    with pytest.raises(InvalidInputError, match="in staging, files belongs to shop"):
        await billing.plan(resource("files"))
    with pytest.raises(ProvisionRefusedError, match="files belongs to shop"):
        await billing.apply("two", stale)
    await billing.holds()
    await shop.destroy("three")
    assert await billing.provision("four", resource("files")) == 1


async def test_ports_are_free_again_after_a_change(world: World) -> None:
    shop, billing = world.of("shop"), world.of("billing")
    await shop.provision("one", resource("door", "endpoint", port=80))
    await shop.provision("two", resource("door", "endpoint", port=81))
    with pytest.raises(ProvisionRefusedError, match="port 80 is reserved"):
        await billing.provision("three", resource("gate", "endpoint", port=80))
    await shop.provision("four", resource("door", "endpoint", port=82))
    assert await billing.provision("five", resource("gate", "endpoint", port=80)) == 1


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (resource("a", "buckt"), "a: unknown kind buckt; did you mean bucket"),
        (resource("a", "queue"), "unknown kind queue .known: bucket, database"),
        (resource("a", "volume", size=1), "a: a volume has no property size; did you mean"),
    ],
)
async def test_what_is_not_known_is_refused_when_planning(
    world: World, wanted: Resource, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        await world.plan(resource("files"), wanted)
