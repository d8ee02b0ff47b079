"""For each test of the contract there is a deployer with one fault that fails it.

Those that ship pass it in ``tests/integration/workflows/services/test_contracts.py``.
"""

from hashlib import sha256

import pytest
from typing_extensions import override

from tests.support.wrong_adapters import contract_tests, fails
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
    Verification,
)
from workflows.ports import Deployer
from workflows.testing.deployer import DeployerContract


class Right:
    """A deployer in memory that does what it should; each of the others has one fault."""

    def __init__(self) -> None:
        self.made: dict[str, Deployed] = {}
        self.unwell: set[str] = set()
        self.rolled_back: dict[str, DeploymentRolledBack] = {}
        self.current: str | None = None

    async def deploy(self, request: DeployRequest) -> Deployed:
        release = request.release
        if release in self.rolled_back:
            raise RunUndoneError(release)
        done = self.made.setdefault(release, self.describe(request))
        if done.sha256 != self.digest(request):
            raise ReleaseConflictError(release)
        if any("raise" in text for text in request.files.values()):
            self.unwell.add(release)
            raise DeploymentUnhealthyError(release)
        if list(self.made)[-1] == release:
            self.current = release
        return done

    def describe(self, request: DeployRequest) -> Deployed:
        return Deployed(
            environment=request.environment,
            service=request.service,
            release=request.release,
            previous=self.current,
            sha256=self.digest(request),
        )

    def digest(self, request: DeployRequest) -> str:
        return sha256(repr(dict(request.files)).encode()).hexdigest()

    async def roll_back(self, release: ReleaseRef) -> DeploymentRolledBack:
        name = release.release
        if name not in self.rolled_back:
            undone = self.current == name
            if undone:
                self.current = self.before(name)
            self.rolled_back[name] = DeploymentRolledBack(
                environment=release.environment,
                service=release.service,
                undone=undone,
                current=self.current,
            )
        return self.rolled_back[name]

    def before(self, name: str) -> str | None:
        previous = self.made[name].previous
        while previous is not None and previous in self.rolled_back:
            previous = self.made[previous].previous
        return previous

    async def verify(self, release: ReleaseRef) -> Verification:
        if self.current != release.release:
            raise NotDeployedError(release.release)
        return Verification(**release.model_dump(), passed=True, check="imports", seconds=0)


class Undigested(Right):
    @override
    def digest(self, request: DeployRequest) -> str:
        return "the same"


class Restarting(Right):
    @override
    async def deploy(self, request: DeployRequest) -> Deployed:
        self.current = request.release
        self.made[request.release] = self.describe(request)
        return await super().deploy(request)


class Changing(Right):
    @override
    async def deploy(self, request: DeployRequest) -> Deployed:
        self.made.pop(request.release, None)
        return await super().deploy(request)


class Hopeful(Right):
    @override
    async def deploy(self, request: DeployRequest) -> Deployed:
        try:
            return await super().deploy(request)
        except DeploymentUnhealthyError:
            self.current = request.release
            raise


class Idle(Right):
    @override
    async def roll_back(self, release: ReleaseRef) -> DeploymentRolledBack:
        there = self.current
        done = await super().roll_back(release)
        self.current = there
        return done


class Shallow(Right):
    @override
    def before(self, name: str) -> str | None:
        return self.made[name].previous


class Forgetful(Right):
    @override
    async def roll_back(self, release: ReleaseRef) -> DeploymentRolledBack:
        done = await super().roll_back(release)
        self.rolled_back.clear()
        return done


class Obliging(Right):
    @override
    async def verify(self, release: ReleaseRef) -> Verification:
        return Verification(**release.model_dump(), passed=True, check="imports", seconds=0)


class Example(DeployerContract):
    __test__ = False


class TestRight(Example):
    __test__ = True

    @pytest.fixture
    def deployer(self) -> Deployer:
        return Right()


WRONG: dict[str, type[Right]] = {
    "test_releases_follow_one_another": Undigested,
    "test_a_repeat_changes_nothing": Restarting,
    "test_attempts_at_the_same_time_make_one_release": Restarting,
    "test_a_release_is_never_changed": Changing,
    "test_an_unhealthy_release_does_not_stay": Hopeful,
    "test_rolling_back_brings_the_previous_one_back": Idle,
    "test_rolling_back_skips_what_was_rolled_back": Shallow,
    "test_a_late_attempt_after_rolling_back_is_refused": Forgetful,
    "test_only_the_release_in_force_is_verified": Obliging,
}


@pytest.mark.parametrize("test", WRONG)
async def test_a_wrong_deployer_fails(test: str) -> None:
    await fails(Example(), test, {"deployer": WRONG[test]()})


def test_each_test_has_one_that_fails_it() -> None:
    assert set(WRONG) == contract_tests(DeployerContract)
