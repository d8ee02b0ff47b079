"""For each test of the contract there is a provisioner with one fault that fails it.

Those that ship pass it in ``tests/integration/workflows/environments/test_contracts.py``.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from typing_extensions import override

from tests.support.wrong_adapters import contract_tests, fails
from workflows.adapters.planning import digest_of, is_genuine, make_plan
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
from workflows.settings import InfraRules
from workflows.testing.provisioner import Look, ProvisionerContract

Resources = tuple[Resource, ...]


class Right:
    """A provisioner in memory that does what it should; each of the others has one fault."""

    def __init__(self) -> None:
        self.slices: dict[str, Resources] = {}
        self.history: list[tuple[str, str, Resources, Provisioned]] = []
        """Key, owner, resources before, and the answer."""
        self.undone: dict[str, RolledBack] = {}
        self.destroyed: dict[str, Destroyed] = {}

    async def look(self) -> Mapping[str, str]:
        return {
            each.name: each.model_dump_json() for held in self.slices.values() for each in held
        }

    def current(self, owner: str | None) -> Resources:
        return self.slices.get(owner or "", ())

    async def plan(self, request: PlanRequest) -> Plan:
        if any(each.kind == "no-such-kind" for each in request.resources):
            raise InvalidInputError("unknown kind")
        return make_plan(request, self.current(request.owner), InfraRules())

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        plan, key, owner = request.plan, request.key, request.plan.owner or ""
        if key in self.undone:
            raise RunUndoneError(key)
        if not is_genuine(plan):
            raise ProvisionRefusedError("forged")
        for known, _, _, answer in self.history:
            if known == key:
                if answer.plan != plan.id:
                    raise ProvisionRefusedError("another plan")
                return answer
        if digest_of(self.current(owner)) != plan.base:
            raise PlanOutdatedError("outdated")
        done = Provisioned(
            environment=plan.environment,
            plan=plan.id,
            revision=len(self.history) + 1,
            previous=len(self.history),
            resources=plan.desired,
        )
        self.history.append((key, owner, self.current(owner), done))
        self.slices[owner] = plan.desired
        return done

    async def roll_back(self, request: UndoRequest) -> RolledBack:
        key = request.key
        if key not in self.undone:
            found = [each for each in self.history if each[0] == key]
            if found and found[0] != self.history[-1]:
                raise PlanOutdatedError("others")
            if found:
                self.slices[found[0][1]] = found[0][2]
            self.undone[key] = RolledBack(
                environment=request.environment, undone=bool(found), revision=9
            )
        return self.undone[key]

    async def destroy(self, request: DestroyRequest) -> Destroyed:
        owner = request.owner or ""
        if request.key not in self.destroyed:
            mine = request.made_by in {None, self.history[0][0]}
            gone = self.current(owner) if mine else ()
            if mine:
                self.slices.pop(owner, None)
            self.destroyed[request.key] = Destroyed(
                environment=request.environment,
                destroyed=tuple(sorted(each.name for each in gone)),
                revision=9,
            )
        return self.destroyed[request.key]


class Hasty(Right):
    @override
    async def plan(self, request: PlanRequest) -> Plan:
        plan = await super().plan(request)
        self.slices[request.owner or ""] = request.resources
        return plan


class Partial(Right):
    @override
    async def provision(self, request: ProvisionRequest) -> Provisioned:
        done = await super().provision(request)
        self.slices[request.plan.owner or ""] = self.current(request.plan.owner)[:1]
        return done


class Restless(Right):
    """It plans to make everything again."""

    @override
    async def plan(self, request: PlanRequest) -> Plan:
        return make_plan(request, (), InfraRules())


class Careless(Right):
    @override
    async def plan(self, request: PlanRequest) -> Plan:
        plan = await super().plan(request)
        return plan.model_copy(update={"impact": Impact.LOW})


class Counting(Right):
    """It takes a repeat for another change."""

    @override
    async def provision(self, request: ProvisionRequest) -> Provisioned:
        done = await super().provision(request)
        self.history[:] = [(f"{key} done", *rest) for key, *rest in self.history]  # type: ignore[misc]
        self.slices.clear()
        return done


class Stale(Right):
    @override
    async def provision(self, request: ProvisionRequest) -> Provisioned:
        try:
            return await super().provision(request)
        except PlanOutdatedError:
            self.slices[request.plan.owner or ""] = request.plan.desired
            raise


class Trusting(Right):
    @override
    async def provision(self, request: ProvisionRequest) -> Provisioned:
        try:
            return await super().provision(request)
        except ProvisionRefusedError:
            return Provisioned(environment="e", plan="p", revision=1, previous=0, resources=())


class Idle(Right):
    @override
    async def roll_back(self, request: UndoRequest) -> RolledBack:
        there = dict(self.slices)
        done = await super().roll_back(request)
        self.slices = there
        return done


class Forgetful(Right):
    @override
    async def roll_back(self, request: UndoRequest) -> RolledBack:
        done = await super().roll_back(request)
        self.undone.clear()
        return done


class Ruthless(Right):
    @override
    async def roll_back(self, request: UndoRequest) -> RolledBack:
        self.history = [each for each in self.history if each[0] == request.key]
        return await super().roll_back(request)


class Sloppy(Right):
    @override
    async def destroy(self, request: DestroyRequest) -> Destroyed:
        there = self.current(request.owner)
        done = await super().destroy(request)
        self.slices[request.owner or ""] = there[:1]
        return done


class Zealous(Right):
    @override
    async def destroy(self, request: DestroyRequest) -> Destroyed:
        return await super().destroy(request.model_copy(update={"made_by": None}))


class Greedy(Right):
    @override
    async def destroy(self, request: DestroyRequest) -> Destroyed:
        done = await super().destroy(request)
        self.slices.clear()
        return done


class Tolerant(Right):
    @override
    async def plan(self, request: PlanRequest) -> Plan:
        return make_plan(request, self.current(request.owner), InfraRules())


def resource(name: str, **properties: Any) -> Resource:
    return Resource(name=name, kind="bucket", properties=properties)


class Example(ProvisionerContract):
    __test__ = False
    first = (resource("a"), resource("b"))
    second = (resource("a", versioned=True), resource("c"))
    other = resource("d")


class TestRight(Example):
    __test__ = True

    @pytest.fixture
    def provisioner(self) -> Provisioner:
        return Right()

    @pytest.fixture
    def look(self, provisioner: Right) -> Look:
        return provisioner.look


WRONG: dict[str, type[Right]] = {
    "test_planning_changes_nothing": Hasty,
    "test_what_was_planned_is_made": Partial,
    "test_a_plan_without_changes_says_so": Restless,
    "test_a_plan_that_destroys_has_a_high_impact": Careless,
    "test_a_repeat_changes_nothing": Counting,
    "test_attempts_at_the_same_time_make_one_change": Counting,
    "test_an_outdated_plan_is_refused": Stale,
    "test_a_plan_that_was_changed_is_refused": Trusting,
    "test_one_key_applies_one_plan": Trusting,
    "test_rolling_back_restores_what_was_there": Idle,
    "test_rolling_back_the_first_change_leaves_nothing": Idle,
    "test_a_late_attempt_after_rolling_back_is_refused": Forgetful,
    "test_the_changes_of_others_are_not_rolled_back": Ruthless,
    "test_destroying_leaves_nothing": Sloppy,
    "test_a_compensation_destroys_only_what_its_run_made": Zealous,
    "test_owners_do_not_touch_each_other": Greedy,
    "test_an_unknown_kind_is_refused_when_planning": Tolerant,
}


@pytest.mark.parametrize("test", WRONG)
async def test_a_wrong_provisioner_fails(test: str) -> None:
    wrong = WRONG[test]()
    await fails(Example(), test, {"provisioner": wrong, "look": wrong.look})


def test_each_test_has_one_that_fails_it() -> None:
    assert set(WRONG) == contract_tests(ProvisionerContract)
