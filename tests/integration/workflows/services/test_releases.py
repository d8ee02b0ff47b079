"""Releases that are recorded and checked: put in force, found unwell, taken back, verified; killed anywhere."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from eventstore.database import Database
from tests.integration.workflows.services.world import CAGED, UNWELL, World, recording
from tests.support.state_kills import at_every_moment
from workflows.adapters.containment import Containment, Limits
from workflows.adapters.local.checks import ContainedChecks, PlainChecks
from workflows.adapters.services.runner import NoRunner
from workflows.errors import (
    DeploymentUnhealthyError,
    InvalidInputError,
    NotDeployedError,
    ReleaseConflictError,
    RunUndoneError,
)

WELL = {"shop.py": "PRICE = 5\n"}
SHORT = ContainedChecks(Containment(limits=Limits(seconds=2, cpu=1), required=False))


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return recording(database, tmp_path)


async def test_releases_follow_one_another_and_repeats_change_nothing(world: World) -> None:
    first = await world.deploy("r1", WELL)
    assert (first.previous, await world.current()) == (None, "r1")
    second = await world.deploy("r2", WELL)
    assert (second.previous, await world.current()) == ("r1", "r2")
    assert await world.deploy("r2", WELL) == second
    assert await world.deploy("r1", WELL) == first
    assert await world.current() == "r2", "a late repeat switches nothing"


async def test_a_release_is_never_changed(world: World) -> None:
    await world.deploy("r1", WELL)
    with pytest.raises(ReleaseConflictError, match="other files"):
        await world.deploy("r1", {"shop.py": "PRICE = 6\n"})


async def test_one_that_is_not_well_is_taken_back_at_once(world: World) -> None:
    await world.deploy("r1", WELL)
    with pytest.raises(DeploymentUnhealthyError, match=r"(?s)r1 stays in force.*no database"):
        await world.deploy("r2", UNWELL)
    assert await world.current() == "r1"
    with pytest.raises(DeploymentUnhealthyError):
        await world.deploy("r2", UNWELL)
    assert await world.current() == "r1"


async def test_the_first_one_that_is_not_well_leaves_nothing_in_force(world: World) -> None:
    with pytest.raises(DeploymentUnhealthyError, match="none stays in force"):
        await world.deploy("r1", UNWELL)
    assert await world.current() is None


async def test_taking_back_goes_to_the_last_that_was_well_and_repeats(world: World) -> None:
    await world.deploy("r1", WELL)
    await world.deploy("r2", WELL)
    await world.deploy("r3")
    assert await world.roll_back("r2") == (False, "r3"), "another is in force"
    assert await world.roll_back("r3") == (True, "r1"), "r2 was taken back too"
    assert await world.roll_back("r3") == (True, "r1")
    with pytest.raises(RunUndoneError, match="was rolled back"):
        await world.deploy("r3")
    assert await world.current() == "r1"


async def test_a_try_that_comes_after_it_was_taken_back_is_refused(world: World) -> None:
    assert await world.roll_back("r1") == (False, None)
    with pytest.raises(RunUndoneError, match="was rolled back"):
        await world.deploy("r1", WELL)
    assert await world.current() is None


@pytest.mark.parametrize("contained", [True, False])
async def test_verifying_runs_the_smoke_check_of_what_is_in_force(
    database: Database, tmp_path: Path, *, contained: bool
) -> None:
    world = recording(database, tmp_path, CAGED if contained else None)
    check = "import shop, sys\nprint('price', shop.PRICE)\nsys.exit(shop.PRICE != 5)\n"
    await world.deploy("r1", {**WELL, "checks/smoke.py": check}, "checks/smoke.py")
    found = await world.deployer.verify(world.ref("r1"))
    assert (found.passed, found.check, found.output) == (True, "checks/smoke.py", "price 5")
    await world.deploy("r2", WELL)
    with pytest.raises(NotDeployedError, match="r2 is"):
        await world.deployer.verify(world.ref("r1"))
    assert (await world.deployer.verify(world.ref("r2"))).check == "imports"


async def test_a_check_that_fails_later_is_told(world: World, tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    check = f"import os, sys\nsys.exit(os.path.exists({str(switch)!r}))\n"
    await world.deploy("r1", {"smoke.py": check}, "smoke.py")
    switch.touch()
    assert not (await world.deployer.verify(world.ref("r1"))).passed


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("while True: pass\n", "exit code|too long"),
        ("import time; time.sleep(60)\n", "too long"),
        ("x = 'x' * 10**10\n", "MemoryError"),
        ("while True: print('x' * 10**5)\n", "too much"),
        ("import os; os.kill(os.getpid(), 9)\n", "exit code"),
    ],
)
@pytest.mark.parametrize("contained", [True, False])
async def test_a_check_has_limits(
    database: Database, tmp_path: Path, check: str, said: str, *, contained: bool
) -> None:
    world = recording(database, tmp_path, SHORT if contained else PlainChecks(seconds=1))
    with pytest.raises(DeploymentUnhealthyError, match=said):
        await world.deploy("r1", {"smoke.py": check}, "smoke.py")
    assert await world.current() is None


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x.py", "a/../../x.py", ".hidden", "a/.b/c", "", "a\0b"]
)
async def test_no_path_leads_out_of_the_release(world: World, path: str) -> None:
    with pytest.raises(InvalidInputError):
        await world.deploy("r1", {path: "x"})


async def test_the_smoke_check_must_be_there(world: World) -> None:
    with pytest.raises(InvalidInputError, match=r"smoke\.py.*not in the release"):
        await world.deploy("r1", smoke_check="smoke.py")


async def test_a_check_without_a_service_is_told_so(world: World) -> None:
    with pytest.raises(DeploymentUnhealthyError, match="does not start services"):
        await world.deploy("r1", {"smoke.py": "import service; service.get('/')"}, "smoke.py")


@pytest.mark.slow
async def test_killed_anywhere_the_retry_completes_the_deployment(
    database: Database, tmp_path: Path
) -> None:
    async def deployed(world: World) -> None:
        assert await world.current() in {"r1", "r2"}
        done = await world.deploy("r2", {"a": "1", "b": "2"})
        assert (done.previous, await world.current()) == ("r1", "r2")

    assert await _at_every_moment(database, tmp_path, deployed) > 1


@pytest.mark.slow
async def test_killed_anywhere_taking_back_leaves_the_one_before(
    database: Database, tmp_path: Path
) -> None:
    async def taken_back(world: World) -> None:
        await world.roll_back("r2")
        assert await world.current() == "r1"
        assert (await world.roll_back("r2"))[1] == "r1"

    assert await _at_every_moment(database, tmp_path, taken_back) > 1


async def _at_every_moment(
    database: Database, folder: Path, after: Callable[[World], Awaitable[None]]
) -> int:
    def world(moment: int) -> World:
        return World(database, folder, f"shop-{moment}", runner=NoRunner())

    async def first(world: World) -> None:
        await world.deploy("r1", {"readme": world.service})

    async def second(world: World) -> None:
        await world.deploy("r2", {"a": "1", "b": "2"})

    return await at_every_moment(world, first, second, after)
