"""The contract of deployers."""

import asyncio
from collections.abc import Mapping
from typing import ClassVar

import pytest

from workflows.errors import (
    DeploymentUnhealthyError,
    NotDeployedError,
    ReleaseConflictError,
    RunUndoneError,
)
from workflows.messages.deployment import (
    Deployed,
    DeploymentRolledBack,
    DeployRequest,
    ReleaseRef,
)
from workflows.ports import Deployer

ENVIRONMENT = "staging"
SERVICE = "shop"


class DeployerContract:
    """What every ``Deployer`` guarantees. Needs the fixture ``deployer``.

    Attributes:
        healthy: Files of a release that passes the check.
        changed: The same, with other content.
        unhealthy: Files of one that does not.
    """

    healthy: ClassVar[Mapping[str, str]] = {"shop.py": "PRICE = 5\n"}
    changed: ClassVar[Mapping[str, str]] = {"shop.py": "PRICE = 6\n"}
    unhealthy: ClassVar[Mapping[str, str]] = {"shop.py": "raise RuntimeError('no price')\n"}

    async def test_releases_follow_one_another(self, deployer: Deployer) -> None:
        first = await self._deploy(deployer, "r1")
        second = await self._deploy(deployer, "r2", self.changed)
        assert (first.previous, second.previous) == (None, "r1")
        assert first.sha256 != second.sha256, "different files have one digest"
        verified = await deployer.verify(_ref("r2"))
        assert verified.passed, "the check of a healthy release fails"
        assert verified.check, "it does not say what was checked"

    async def test_a_repeat_changes_nothing(self, deployer: Deployer) -> None:
        first = await self._deploy(deployer, "r1")
        second = await self._deploy(deployer, "r2")
        assert await self._deploy(deployer, "r2") == second, "a repeat has another answer"
        late = await self._deploy(deployer, "r1")
        assert (late.previous, late.sha256) == (first.previous, first.sha256)
        assert (await deployer.verify(_ref("r2"))).passed, "the late repeat took over"

    async def test_attempts_at_the_same_time_make_one_release(self, deployer: Deployer) -> None:
        await self._deploy(deployer, "r1")
        done = await asyncio.gather(*(self._deploy(deployer, "r2") for _ in range(3)))
        assert {each.previous for each in done} == {"r1"}, "one of them followed another"

    async def test_a_release_is_never_changed(self, deployer: Deployer) -> None:
        await self._deploy(deployer, "r1")
        with pytest.raises(ReleaseConflictError):
            await self._deploy(deployer, "r1", self.changed)

    async def test_an_unhealthy_release_does_not_stay(self, deployer: Deployer) -> None:
        await self._deploy(deployer, "r1")
        for _ in range(2):
            with pytest.raises(DeploymentUnhealthyError):
                await self._deploy(deployer, "r2", self.unhealthy)
        assert (await deployer.verify(_ref("r1"))).passed
        with pytest.raises(NotDeployedError):
            await deployer.verify(_ref("r2"))

    async def test_rolling_back_brings_the_previous_one_back(self, deployer: Deployer) -> None:
        await self._deploy(deployer, "r1")
        await self._deploy(deployer, "r2")
        done = await _roll_back(deployer, "r2")
        assert (done.undone, done.current) == (True, "r1")
        assert await _roll_back(deployer, "r2") == done, "a repeat has another answer"
        assert (await deployer.verify(_ref("r1"))).passed

    async def test_rolling_back_skips_what_was_rolled_back(self, deployer: Deployer) -> None:
        for release in ("r1", "r2", "r3"):
            await self._deploy(deployer, release)
        other = await _roll_back(deployer, "r2")
        assert (other.undone, other.current) == (False, "r3"), "another one was in force"
        assert (await _roll_back(deployer, "r3")).current == "r1", "r2 was rolled back before"

    async def test_a_late_attempt_after_rolling_back_is_refused(
        self, deployer: Deployer
    ) -> None:
        early = await _roll_back(deployer, "r1")
        assert (early.undone, early.current) == (False, None)
        with pytest.raises(RunUndoneError):
            await self._deploy(deployer, "r1")
        with pytest.raises(NotDeployedError):
            await deployer.verify(_ref("r1"))

    async def test_only_the_release_in_force_is_verified(self, deployer: Deployer) -> None:
        await self._deploy(deployer, "r1")
        await self._deploy(deployer, "r2")
        with pytest.raises(NotDeployedError):
            await deployer.verify(_ref("r1"))

    async def _deploy(
        self, deployer: Deployer, release: str, files: Mapping[str, str] | None = None
    ) -> Deployed:
        return await deployer.deploy(
            DeployRequest(
                environment=ENVIRONMENT,
                service=SERVICE,
                release=release,
                files=files or self.healthy,
            )
        )


def _ref(release: str) -> ReleaseRef:
    return ReleaseRef(environment=ENVIRONMENT, service=SERVICE, release=release)


async def _roll_back(deployer: Deployer, release: str) -> DeploymentRolledBack:
    return await deployer.roll_back(_ref(release))
