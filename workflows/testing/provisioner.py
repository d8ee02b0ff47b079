"""The contract of provisioners."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

import pytest

from workflows.errors import (
    InvalidInputError,
    PlanOutdatedError,
    ProvisionRefusedError,
    RunUndoneError,
)
from workflows.messages.infra import (
    Destroyed,
    DestroyRequest,
    Impact,
    Plan,
    PlanRequest,
    Provisioned,
    ProvisionRequest,
    Resource,
    RolledBack,
    UndoRequest,
)
from workflows.ports import Provisioner

ENVIRONMENT = "staging"

Resources = tuple[Resource, ...]
Look = Callable[[], Awaitable[Mapping[str, str]]]
"""Return the resources that really exist in ``ENVIRONMENT``: a text about each, by its name."""


class ProvisionerContract:
    """What every ``Provisioner`` guarantees. Needs the fixtures ``provisioner`` and ``look``.

    ``look`` is a coroutine function that looks at the provider itself, not at the records of the
    adapter: it returns a text about each resource, the same as long as the resource is the same.

    Attributes:
        first: Two resources or more.
        second: The same, but one is changed in place, one is missing and one is new.
        other: A resource with another name than those, for another owner.
    """

    first: ClassVar[Resources]
    second: ClassVar[Resources]
    other: ClassVar[Resource]

    async def test_planning_changes_nothing(self, provisioner: Provisioner, look: Look) -> None:
        plan = await _plan(provisioner, self.first)
        assert [change.name for change in plan.changes] == sorted(_names(self.first))
        assert not await look(), "planning made resources"

    async def test_what_was_planned_is_made(self, provisioner: Provisioner, look: Look) -> None:
        done = await _provision(provisioner, "one", self.first)
        assert (done.revision, done.previous) == (1, 0), "revisions count from 1"
        assert set(await look()) == _names(self.first)
        await _provision(provisioner, "two", self.second)
        assert set(await look()) == _names(self.second)

    async def test_a_plan_without_changes_says_so(self, provisioner: Provisioner) -> None:
        await _provision(provisioner, "one", self.first)
        plan = await _plan(provisioner, self.first)
        assert (plan.changes, plan.impact) == ((), Impact.NONE)

    async def test_a_plan_that_destroys_has_a_high_impact(
        self, provisioner: Provisioner
    ) -> None:
        await _provision(provisioner, "one", self.first)
        plan = await _plan(provisioner, self.second)
        assert plan.impact is Impact.HIGH, "data would be lost without an approval"
        assert plan.reasons, "approvers need a reason"

    async def test_a_repeat_changes_nothing(self, provisioner: Provisioner, look: Look) -> None:
        plan = await _plan(provisioner, self.first)
        done = await _apply(provisioner, "one", plan)
        there = await look()
        assert await _apply(provisioner, "one", plan) == done, "a repeat has another answer"
        assert await look() == there, "a repeat changed something"

    async def test_attempts_at_the_same_time_make_one_change(
        self, provisioner: Provisioner, look: Look
    ) -> None:
        plan = await _plan(provisioner, self.first)
        done = await asyncio.gather(*(_apply(provisioner, "one", plan) for _ in range(3)))
        assert {each.revision for each in done} == {1}, "the attempts made several changes"
        assert set(await look()) == _names(self.first)

    async def test_an_outdated_plan_is_refused(
        self, provisioner: Provisioner, look: Look
    ) -> None:
        plan = await _plan(provisioner, self.second)
        await _provision(provisioner, "one", self.first)
        there = await look()
        with pytest.raises(PlanOutdatedError):
            await _apply(provisioner, "two", plan)
        assert await look() == there, "the outdated plan was applied"

    async def test_a_plan_that_was_changed_is_refused(
        self, provisioner: Provisioner, look: Look
    ) -> None:
        plan = await _plan(provisioner, self.first)
        forged = plan.model_copy(update={"desired": self.first[:1]})
        with pytest.raises(ProvisionRefusedError):
            await _apply(provisioner, "one", forged)
        assert not await look(), "the forged plan was applied"

    async def test_one_key_applies_one_plan(self, provisioner: Provisioner) -> None:
        await _provision(provisioner, "one", self.first)
        with pytest.raises(ProvisionRefusedError):
            await _provision(provisioner, "one", self.second)

    async def test_rolling_back_restores_what_was_there(
        self, provisioner: Provisioner, look: Look
    ) -> None:
        await _provision(provisioner, "one", self.first)
        await _provision(provisioner, "two", self.second)
        done = await _roll_back(provisioner, "two")
        assert done.undone, "it says that nothing was undone"
        assert set(await look()) == _names(self.first)
        plan = await _plan(provisioner, self.first)
        assert not plan.changes, f"not everything is as it was: {plan.changes}"
        assert await _roll_back(provisioner, "two") == done, "a repeat has another answer"

    async def test_rolling_back_the_first_change_leaves_nothing(
        self, provisioner: Provisioner, look: Look
    ) -> None:
        await _provision(provisioner, "one", self.first)
        assert (await _roll_back(provisioner, "one")).undone
        assert not await look(), "resources are left"

    async def test_a_late_attempt_after_rolling_back_is_refused(
        self, provisioner: Provisioner, look: Look
    ) -> None:
        plan = await _plan(provisioner, self.first)
        assert not (await _roll_back(provisioner, "one")).undone, "there was nothing to undo"
        with pytest.raises(RunUndoneError):
            await _apply(provisioner, "one", plan)
        assert not await look(), "the late attempt made resources"

    async def test_the_changes_of_others_are_not_rolled_back(
        self, provisioner: Provisioner, look: Look
    ) -> None:
        await _provision(provisioner, "one", self.first)
        await _provision(provisioner, "two", self.second)
        with pytest.raises(PlanOutdatedError):
            await _roll_back(provisioner, "one")
        assert set(await look()) == _names(self.second)

    async def test_destroying_leaves_nothing(
        self, provisioner: Provisioner, look: Look
    ) -> None:
        await _provision(provisioner, "one", self.first)
        done = await _destroy(provisioner, "two")
        assert done.destroyed == tuple(sorted(_names(self.first)))
        assert not await look(), "resources are left"
        assert await _destroy(provisioner, "two") == done, "a repeat has another answer"
        assert (await _destroy(provisioner, "three")).destroyed == ()

    async def test_a_compensation_destroys_only_what_its_run_made(
        self, provisioner: Provisioner, look: Look
    ) -> None:
        await _provision(provisioner, "one", self.first)
        done = await _destroy(provisioner, "two", made_by="two")
        assert done.destroyed == (), "another run made this"
        assert set(await look()) == _names(self.first)

    async def test_owners_do_not_touch_each_other(
        self, provisioner: Provisioner, look: Look
    ) -> None:
        await _provision(provisioner, "one", self.first)
        await _provision(provisioner, "two", (self.other,), owner="billing")
        assert set(await look()) == {*_names(self.first), self.other.name}
        await _destroy(provisioner, "three")
        assert set(await look()) == {self.other.name}, "it destroyed what another one owns"

    async def test_an_unknown_kind_is_refused_when_planning(
        self, provisioner: Provisioner
    ) -> None:
        unknown = Resource(name="unknown", kind="no-such-kind")
        with pytest.raises(InvalidInputError):
            await _plan(provisioner, (*self.first, unknown))


def _names(resources: Resources) -> set[str]:
    return {resource.name for resource in resources}


async def _plan(
    provisioner: Provisioner, resources: Resources, owner: str | None = None
) -> Plan:
    request = PlanRequest(environment=ENVIRONMENT, owner=owner, resources=resources)
    return await provisioner.plan(request)


async def _apply(provisioner: Provisioner, key: str, plan: Plan) -> Provisioned:
    return await provisioner.provision(ProvisionRequest(plan=plan, key=key))


async def _provision(
    provisioner: Provisioner, key: str, resources: Resources, owner: str | None = None
) -> Provisioned:
    return await _apply(provisioner, key, await _plan(provisioner, resources, owner))


async def _roll_back(provisioner: Provisioner, key: str) -> RolledBack:
    return await provisioner.roll_back(UndoRequest(environment=ENVIRONMENT, key=key))


async def _destroy(provisioner: Provisioner, key: str, made_by: str | None = None) -> Destroyed:
    return await provisioner.destroy(
        DestroyRequest(environment=ENVIRONMENT, key=key, made_by=made_by)
    )
