"""Environments, with the worker killed before every write of a change."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from eventstore.database import Database
from tests.integration.workflows.environments.world import FIRST, SECOND, World, resource
from tests.support.state_kills import at_every_moment
from workflows.adapters.planning import identified
from workflows.errors import PlanOutdatedError
from workflows.messages.infra import Plan

pytestmark = pytest.mark.slow

Act = Callable[[World], Awaitable[Any]]
Scene = tuple[Database, Path]


@pytest.fixture
def scene(database: Database, tmp_path: Path) -> Scene:
    return database, tmp_path


async def _provision(world: World) -> None:
    await world.provision("two", *SECOND)


async def _roll_back(world: World) -> None:
    await world.roll_back("two")


async def _destroy(world: World) -> None:
    await world.destroy("three")


async def _at_every_moment(scene: Scene, act: Act, after: Act, *begin: Act) -> int:
    database, objects = scene

    def world(moment: int) -> World:
        return World(database, objects, f"staging-{moment}")

    async def before(world: World) -> None:
        await world.provision("one", *FIRST)
        for each in begin:
            await each(world)

    return await at_every_moment(world, before, act, after)


async def test_killed_anywhere_in_provisioning_the_retry_completes_it(scene: Scene) -> None:
    async def retried(world: World) -> None:
        # The plan is the recorded one: what it was made for is the state before.
        plan = await _second_plan(scene, world.environment)
        assert await world.apply("two", plan) == 2
        await world.holds(*SECOND)
        assert await world.changes() == [(1, "provision"), (2, "provision")]
        assert await world.roll_back("two")
        await world.holds(*FIRST)

    assert await _at_every_moment(scene, _provision, retried) > 6


async def _second_plan(scene: Scene, environment: str) -> Plan:
    """The plan from the first state to the second, which is not in the environment any more."""
    database, objects = scene
    world = World(database, objects, "another")
    if not (await world.seen()).state.exists:
        await world.provision("one", *FIRST)
    plan = await world.plan(*SECOND)
    return identified(plan.model_copy(update={"environment": environment}))


async def test_killed_anywhere_in_provisioning_rolling_back_leaves_nothing(
    scene: Scene,
) -> None:
    async def rolled_back(world: World) -> None:
        await world.roll_back("two")
        await world.holds(*FIRST)
        await world.roll_back("two")
        await world.holds(*FIRST)

    await _at_every_moment(scene, _provision, rolled_back)


async def test_killed_anywhere_in_provisioning_somebody_else_goes_on(scene: Scene) -> None:
    async def others(world: World) -> None:
        await world.provision("others", resource("theirs"))
        await world.holds(resource("theirs"))

    await _at_every_moment(scene, _provision, others)


async def test_killed_anywhere_in_rolling_back_the_retry_completes_it(scene: Scene) -> None:
    async def retried(world: World) -> None:
        assert await world.roll_back("two")
        await world.holds(*FIRST)
        assert (await world.changes())[2:] == [(3, "roll back")]

    await _at_every_moment(scene, _roll_back, retried, _provision)


async def test_killed_anywhere_in_rolling_back_somebody_else_goes_on(scene: Scene) -> None:
    async def others(world: World) -> None:
        with suppress(PlanOutdatedError):  # when the rollback had begun and is finished first
            await world.provision("others", resource("theirs"))
        await world.provision("yet others", resource("theirs", versioned=True))
        await world.holds(resource("theirs", versioned=True))

    await _at_every_moment(scene, _roll_back, others, _provision)


async def test_killed_anywhere_in_destroying_the_retry_completes_it(scene: Scene) -> None:
    async def retried(world: World) -> None:
        assert await world.destroy("three") == ("disk", "files", "orders")
        await world.holds()

    await _at_every_moment(scene, _destroy, retried, _provision)
