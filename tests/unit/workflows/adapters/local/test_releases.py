"""Releases on this machine: put in force, found unwell, taken back, verified; killed anywhere."""

from contextlib import suppress
from pathlib import Path

import pytest

from tests.unit.workflows.adapters.local.kills import at_every_moment
from workflows.adapters.containment import Containment, Limits
from workflows.adapters.local.checks import Checks, ContainedChecks, PlainChecks
from workflows.adapters.local.releases import LocalDeployer
from workflows.errors import (
    DeploymentUnhealthyError,
    InvalidInputError,
    NotDeployedError,
    ReleaseConflictError,
    RunUndoneError,
)
from workflows.messages.deployment import Deployed, DeployRequest, ReleaseRef

CAGED = ContainedChecks(Containment(limits=Limits(seconds=2, cpu=1), required=False))

WELL = {"shop.py": "PRICE = 5\n"}
UNWELL = {"shop.py": "raise RuntimeError('no database')\n"}


class World:
    """The releases of one service, used and looked at from outside."""

    def __init__(self, folder: Path, checks: Checks | None = None) -> None:
        self.folder = folder / "staging" / "shop"
        self.deployer = LocalDeployer(folder, checks or PlainChecks(seconds=20))

    async def deploy(
        self, release: str, files: dict[str, str] | None = None, smoke_check: str | None = None
    ) -> Deployed:
        return await self.deployer.deploy(
            DeployRequest(
                environment="staging",
                service="shop",
                release=release,
                files=WELL if files is None else files,
                smoke_check=smoke_check,
            )
        )

    async def roll_back(self, release: str) -> tuple[bool, str | None]:
        done = await self.deployer.roll_back(self.ref(release))
        return done.undone, done.current

    def ref(self, release: str) -> ReleaseRef:
        return ReleaseRef(environment="staging", service="shop", release=release)

    @property
    def current(self) -> str | None:
        link = self.folder / "current"
        if not link.is_symlink():
            return None
        assert link.resolve().is_dir(), "current leads to a release that is whole"
        return link.resolve().name


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_releases_follow_one_another_and_repeats_change_nothing(world: World) -> None:
    first = await world.deploy("r1")
    assert (first.previous, world.current) == (None, "r1")
    second = await world.deploy("r2")
    assert (second.previous, world.current) == ("r1", "r2")
    assert await world.deploy("r2") == second
    assert await world.deploy("r1") == first
    assert world.current == "r2", "a late repeat switches nothing"
    assert (world.folder / "current/shop.py").read_text() == WELL["shop.py"]


async def test_a_release_is_never_changed(world: World) -> None:
    await world.deploy("r1")
    with pytest.raises(ReleaseConflictError, match="other files"):
        await world.deploy("r1", {"shop.py": "PRICE = 6\n"})


async def test_one_that_is_not_well_is_taken_back_at_once(world: World) -> None:
    await world.deploy("r1")
    with pytest.raises(DeploymentUnhealthyError, match=r"(?s)r1 is current again.*no database"):
        await world.deploy("r2", UNWELL)
    assert world.current == "r1"
    with pytest.raises(DeploymentUnhealthyError):
        await world.deploy("r2", UNWELL)
    assert world.current == "r1"


async def test_the_first_one_that_is_not_well_leaves_nothing_in_force(world: World) -> None:
    with pytest.raises(DeploymentUnhealthyError, match="none is current again"):
        await world.deploy("r1", UNWELL)
    assert world.current is None


async def test_taking_back_goes_to_the_last_that_was_well_and_repeats(world: World) -> None:
    await world.deploy("r1")
    await world.deploy("r2")
    await world.deploy("r3")
    assert await world.roll_back("r2") == (False, "r3"), "another is in force"
    assert await world.roll_back("r3") == (True, "r1"), "r2 was taken back too"
    assert await world.roll_back("r3") == (True, "r1")
    with pytest.raises(RunUndoneError, match="was rolled back"):
        await world.deploy("r3")
    assert world.current == "r1"


async def test_a_try_that_comes_after_it_was_taken_back_is_refused(world: World) -> None:
    assert await world.roll_back("r1") == (False, None)
    with pytest.raises(RunUndoneError, match="was rolled back"):
        await world.deploy("r1")
    assert world.current is None


@pytest.mark.parametrize("contained", [True, False])
async def test_verifying_runs_the_smoke_check_of_what_is_in_force(
    tmp_path: Path, *, contained: bool
) -> None:
    world = World(tmp_path, CAGED if contained else None)
    check = "import shop, sys\nprint('price', shop.PRICE)\nsys.exit(shop.PRICE != 5)\n"
    await world.deploy("r1", {**WELL, "checks/smoke.py": check}, "checks/smoke.py")
    found = await world.deployer.verify(world.ref("r1"))
    assert (found.passed, found.check, found.output) == (True, "checks/smoke.py", "price 5")
    await world.deploy("r2")
    with pytest.raises(NotDeployedError, match="r2 is"):
        await world.deployer.verify(world.ref("r1"))
    assert (await world.deployer.verify(world.ref("r2"))).check == "imports"


async def test_a_contained_check_cannot_change_what_is_deployed(tmp_path: Path) -> None:
    world = World(tmp_path, CAGED)
    check = "import shop\nwith open(shop.__file__, 'a') as file: file.write('PRICE = 0')\n"
    with suppress(DeploymentUnhealthyError):
        await world.deploy("r1", {**WELL, "smoke.py": check}, "smoke.py")
    assert (world.folder / "releases/r1/shop.py").read_text() == WELL["shop.py"]


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
    tmp_path: Path, check: str, said: str, *, contained: bool
) -> None:
    world = World(tmp_path, CAGED if contained else PlainChecks(seconds=1))
    with pytest.raises(DeploymentUnhealthyError, match=said):
        await world.deploy("r1", {"smoke.py": check}, "smoke.py")
    assert world.current is None


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x.py", "a/../../x.py", ".hidden", "a/.b/c", "", "a\0b"]
)
async def test_no_path_leads_out_of_the_release(world: World, path: str) -> None:
    with pytest.raises(InvalidInputError):
        await world.deploy("r1", {path: "x"})


async def test_the_smoke_check_must_be_there(world: World) -> None:
    with pytest.raises(InvalidInputError, match=r"smoke\.py.*not in the release"):
        await world.deploy("r1", smoke_check="smoke.py")


async def _first(world: World) -> None:
    await world.deploy("r1", {"readme": "one"})


async def _second(world: World) -> None:
    await world.deploy("r2", {"a": "1", "b": "2"})


@pytest.mark.slow
async def test_killed_anywhere_the_retry_completes_the_deployment(tmp_path: Path) -> None:
    async def deployed(world: World) -> None:
        assert world.current in {"r1", "r2"}
        done = await world.deploy("r2", {"a": "1", "b": "2"})
        assert (done.previous, world.current) == ("r1", "r2")
        assert sorted(path.name for path in (world.folder / "current/").iterdir()) == ["a", "b"]

    assert await at_every_moment(tmp_path, World, _first, _second, deployed) > 5


@pytest.mark.slow
async def test_killed_anywhere_taking_back_leaves_the_one_before(tmp_path: Path) -> None:
    async def taken_back(world: World) -> None:
        await world.roll_back("r2")
        assert world.current == "r1"
        assert (await world.roll_back("r2"))[1] == "r1"

    assert await at_every_moment(tmp_path, World, _first, _second, taken_back) > 5
