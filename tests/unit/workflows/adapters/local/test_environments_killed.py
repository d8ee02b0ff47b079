"""Environments on this machine, with the worker killed at every moment of a change."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflows.adapters.local.kills import at_every_moment
from tests.unit.workflows.adapters.local.world import FIRST, SECOND, World, resource
from workflows.errors import PlanOutdatedError
from workflows.messages.infra import Plan

pytestmark = pytest.mark.slow

Act = Callable[[World], Awaitable[Any]]


async def _provision(world: World) -> None:
    await world.provision("two", *SECOND)


async def _roll_back(world: World) -> None:
    await world.roll_back("two")


async def _destroy(world: World) -> None:
    await world.destroy("three")


async def _at_every_moment(tmp_path: Path, act: Act, after: Act, *begin: Act) -> int:
    async def before(world: World) -> None:
        await world.provision("one", *FIRST)
        for each in begin:
            await each(world)

    return await at_every_moment(tmp_path, World, before, act, after)


async def test_killed_anywhere_in_provisioning_the_retry_completes_it(tmp_path: Path) -> None:
    async def retried(world: World) -> None:
        # The plan is the recorded one: what it was made for is the state before.
        plan = await _second_plan(tmp_path)
        assert await world.apply("two", plan) == 2
        world.holds(*SECOND)
        assert world.changes == [(1, "provision"), (2, "provision")]
        assert await world.roll_back("two")
        world.holds(*FIRST)

    assert await _at_every_moment(tmp_path, _provision, retried) > 20


async def _second_plan(tmp_path: Path) -> Plan:
    world = World(tmp_path / "plan")
    if not world.folder.exists():
        await world.provision("one", *FIRST)
    return await world.plan(*SECOND)


async def test_killed_anywhere_in_provisioning_rolling_back_leaves_nothing(
    tmp_path: Path,
) -> None:
    async def rolled_back(world: World) -> None:
        await world.roll_back("two")
        world.holds(*FIRST)
        await world.roll_back("two")
        world.holds(*FIRST)

    await _at_every_moment(tmp_path, _provision, rolled_back)


async def test_killed_anywhere_in_provisioning_somebody_else_goes_on(tmp_path: Path) -> None:
    async def others(world: World) -> None:
        await world.provision("others", resource("theirs"))
        world.holds(resource("theirs"))

    await _at_every_moment(tmp_path, _provision, others)


async def test_killed_anywhere_in_rolling_back_the_retry_completes_it(tmp_path: Path) -> None:
    async def retried(world: World) -> None:
        assert await world.roll_back("two")
        world.holds(*FIRST)
        assert world.changes[2:] == [(3, "roll back")]

    await _at_every_moment(tmp_path, _roll_back, retried, _provision)


async def test_killed_anywhere_in_rolling_back_somebody_else_goes_on(tmp_path: Path) -> None:
    async def others(world: World) -> None:
        with suppress(PlanOutdatedError):  # when the rollback had begun and is finished first
            await world.provision("others", resource("theirs"))
        await world.provision("yet others", resource("theirs", size=1))
        world.holds(resource("theirs", size=1))

    await _at_every_moment(tmp_path, _roll_back, others, _provision)


async def test_killed_anywhere_in_destroying_the_retry_completes_it(tmp_path: Path) -> None:
    async def retried(world: World) -> None:
        assert await world.destroy("three") == ("disk", "files", "orders")
        world.holds()

    await _at_every_moment(tmp_path, _destroy, retried, _provision)
