"""A plan is the difference, and its impact is HIGH when something can be lost or a rule says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.adapters.planning import digest_of, is_genuine, make_plan
from workflows.errors import InvalidInputError
from workflows.messages.infra import Action, Impact, Plan, PlanRequest, Resource
from workflows.settings import InfraRules

RULES = InfraRules(high_environments=("production",), high_kinds=("secret",))

values = st.none() | st.booleans() | st.integers(0, 2) | st.text("ab", max_size=2)
properties = st.dictionaries(st.sampled_from(["region", "engine", "size"]), values, max_size=3)
resources = st.builds(
    Resource,
    name=st.sampled_from("abcd"),
    kind=st.sampled_from(["bucket", "database", "secret"]),
    properties=properties,
)
environments = st.lists(resources, max_size=4, unique_by=lambda each: each.name).map(tuple)


def plan(
    desired: tuple[Resource, ...],
    current: tuple[Resource, ...] = (),
    environment: str = "test",
    rules: InfraRules = RULES,
) -> Plan:
    return make_plan(PlanRequest(environment=environment, resources=desired), current, rules)


def applied(made: Plan, current: tuple[Resource, ...]) -> dict[str, Resource]:
    """What there is after a plan, by its changes alone."""
    there = {each.name: each for each in current}
    for change in made.changes:
        assert there.get(change.name) == change.before
        there.pop(change.name, None)
        if change.after is not None:
            there[change.name] = change.after
    return there


@given(environments, environments)
def test_the_changes_lead_from_what_there_is_to_what_is_wanted(
    desired: tuple[Resource, ...], current: tuple[Resource, ...]
) -> None:
    made = plan(desired, current)
    # Compared as JSON: in Python 1 and true are the same.
    assert digest_of(applied(made, current).values()) == digest_of(desired)
    assert digest_of(made.desired) == digest_of(desired)


@given(environments)
def test_what_is_there_already_needs_nothing(current: tuple[Resource, ...]) -> None:
    made = plan(tuple(reversed(current)), current, environment="production")
    assert (made.changes, made.impact, made.reasons) == ((), Impact.NONE, ())


@given(environments, environments)
def test_the_impact_is_high_exactly_when_something_can_be_lost_or_a_rule_says_so(
    desired: tuple[Resource, ...], current: tuple[Resource, ...]
) -> None:
    made = plan(desired, current)
    lost = any(change.action in {Action.DESTROY, Action.REPLACE} for change in made.changes)
    secret = any(
        each is not None and each.kind == "secret"
        for change in made.changes
        for each in (change.before, change.after)
    )
    assert (made.impact is Impact.HIGH) == (lost or secret)
    assert bool(made.reasons) == (made.impact is Impact.HIGH)
    in_production = plan(desired, current, environment="production")
    assert (in_production.impact is Impact.HIGH) == bool(made.changes)


@given(environments, environments)
def test_a_plan_is_told_by_its_id(
    desired: tuple[Resource, ...], current: tuple[Resource, ...]
) -> None:
    made = plan(desired, current)
    assert made == plan(tuple(reversed(desired)), tuple(reversed(current)))
    assert made.base == digest_of(current)
    assert is_genuine(made)
    assert is_genuine(Plan.model_validate_json(made.model_dump_json()))
    for forged in (
        {"impact": Impact.LOW if made.impact is Impact.HIGH else Impact.HIGH},
        {"environment": "elsewhere"},
        {"approvers": ("mallory",)},
        {"two_people": not made.two_people},
    ):
        assert not is_genuine(made.model_copy(update=forged))


def bucket(**properties: object) -> Resource:
    return Resource.model_validate({"name": "b", "kind": "bucket", "properties": properties})


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        (None, bucket(), Action.CREATE),
        (bucket(), None, Action.DESTROY),
        (bucket(size=1), bucket(size=2), Action.UPDATE),
        (bucket(size=1), bucket(size=True), Action.UPDATE),
        (bucket(), bucket(size=None), Action.UPDATE),
        (bucket(region="x"), bucket(region="y"), Action.REPLACE),
        (bucket(), Resource(name="b", kind="queue"), Action.REPLACE),
    ],
)
def test_what_is_done_with_a_resource(
    before: Resource | None, after: Resource | None, action: Action
) -> None:
    made = plan((after,) if after else (), (before,) if before else ())
    assert [change.action for change in made.changes] == [action]


def test_many_changes_at_once_are_high_when_the_operator_says_so() -> None:
    desired = tuple(Resource(name=f"b{n}", kind="bucket") for n in range(3))
    assert plan(desired, rules=InfraRules(most_changes=3)).impact is Impact.LOW
    assert plan(desired, rules=InfraRules(most_changes=2)).impact is Impact.HIGH


def test_the_operator_says_who_may_approve() -> None:
    rules = InfraRules(approvers={"prod*": ("ann", "bob"), "production": ("bob", "eve")})
    assert plan((), environment="production", rules=rules).approvers == ("ann", "bob", "eve")
    assert plan((), environment="test", rules=rules).approvers == ()


def test_the_operator_says_where_two_people_must_agree() -> None:
    rules = InfraRules(two_people=("prod*",))
    assert plan((), environment="production", rules=rules).two_people
    assert not plan((), environment="test", rules=rules).two_people


def test_two_resources_of_one_name_contradict_each_other() -> None:
    with pytest.raises(InvalidInputError, match="two resources are called 'b'"):
        plan((bucket(), bucket(size=1)))


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="not JSON"):
        plan((Resource(name="b", kind="bucket", properties={"size": float("nan")}),))
