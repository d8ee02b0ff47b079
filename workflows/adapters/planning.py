"""Plans changes of an owner's resources in an environment and rates their impact. Pure.

A plan is the difference between the wanted and the current state. Its impact is HIGH if a resource
is destroyed or replaced, or if an operator's rule says so.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256

from pydantic import JsonValue

from workflows.errors import InvalidInputError
from workflows.messages.infra import (
    Action,
    Change,
    Impact,
    Plan,
    PlanRequest,
    Resource,
)
from workflows.settings import ANY_KIND, InfraRules


def make_plan(request: PlanRequest, current: Sequence[Resource], rules: InfraRules) -> Plan:
    """Return the plan that leads from ``current`` to the wanted state.

    Raises:
        InvalidInputError: Two resources have one name, or a value is not JSON.
    """
    wanted = by_name(request.resources)
    existing = by_name(current)
    changes = tuple(
        change
        for name in sorted(wanted.keys() | existing.keys())
        if (change := _change(name, existing.get(name), wanted.get(name), rules.fixed))
    )
    return plan_of(request, current, changes, rules)


def plan_of(
    request: PlanRequest,
    current: Sequence[Resource],
    changes: tuple[Change, ...],
    rules: InfraRules,
    *,
    reasons: Iterable[str] = (),
    file: str | None = None,
) -> Plan:
    """Return the plan with these changes, rated by the rules.

    Args:
        request: What is wanted.
        current: What is there.
        changes: What leads from one to the other.
        rules: The operator's rules.
        reasons: Further reasons for an approval.
        file: The digest of the provisioner's own plan file, if it has one.

    Raises:
        InvalidInputError: Two resources have one name, or a value is not JSON.
    """
    wanted = by_name(request.resources)
    all_reasons = (*_reasons(request.environment, changes, rules), *reasons)
    return identified(
        Plan(
            id="",
            environment=request.environment,
            owner=request.owner,
            base=digest_of(current),
            changes=changes,
            impact=_impact(changes, all_reasons),
            reasons=all_reasons,
            desired=tuple(wanted[name] for name in sorted(wanted)),
            approvers=_approvers(request.environment, rules),
            two_people=_matches(request.environment, rules.two_people),
            file=file,
        )
    )


def is_genuine(plan: Plan) -> bool:
    """Return whether a plan is unchanged: its id is the digest of its content."""
    return identified(plan).id == plan.id


def digest_of(resources: Iterable[Resource]) -> str:
    """Return the SHA-256 (hex) of an environment's resources, independent of their order.

    Raises:
        InvalidInputError: A value is not JSON.
    """
    ordered = sorted(resources, key=lambda resource: resource.name)
    return _sha256([resource.model_dump(mode="python") for resource in ordered])


def by_name(resources: Iterable[Resource]) -> dict[str, Resource]:
    """Return resources by their names.

    Raises:
        InvalidInputError: Two have the same name.
    """
    found: dict[str, Resource] = {}
    for resource in resources:
        if resource.name in found:
            raise InvalidInputError(f"two resources are called {resource.name!r}")
        found[resource.name] = resource
    return found


def _change(
    name: str,
    before: Resource | None,
    after: Resource | None,
    fixed: Mapping[str, tuple[str, ...]],
) -> Change | None:
    if before is None or after is None:
        action = Action.CREATE if before is None else Action.DESTROY
        return Change(action=action, name=name, before=before, after=after)
    properties = differing(before.properties, after.properties)
    if before.kind != after.kind:
        action = Action.REPLACE
    elif not properties:
        return None
    else:
        unchangeable = {*fixed.get(ANY_KIND, ()), *fixed.get(after.kind, ())}
        action = Action.UPDATE if unchangeable.isdisjoint(properties) else Action.REPLACE
    return Change(action=action, name=name, before=before, after=after, properties=properties)


def differing(
    before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]
) -> tuple[str, ...]:
    """Return the names of the properties that differ, sorted."""
    # As JSON, in which 1 and true are two values.
    return tuple(
        name
        for name in sorted(before.keys() | after.keys())
        if (name in before) != (name in after)
        or _canonical(before[name]) != _canonical(after[name])
    )


def _reasons(environment: str, changes: Sequence[Change], rules: InfraRules) -> Iterable[str]:
    if not changes:
        return
    for change in changes:
        if change.action is Action.DESTROY:
            yield f"{change.name} is destroyed"
        elif change.action is Action.REPLACE:
            yield f"{change.name} is replaced: its data are lost"
    if _matches(environment, rules.high_environments):
        yield f"the environment is {environment}"
    for change in changes:
        kinds = {resource.kind for resource in (change.before, change.after) if resource}
        for kind in sorted(kinds):
            if _matches(kind, rules.high_kinds):
                yield f"{change.name} is a {kind}"
    if rules.most_changes is not None and len(changes) > rules.most_changes:
        yield f"there are {len(changes)} changes at once, more than {rules.most_changes}"


def _impact(changes: Sequence[Change], reasons: Sequence[str]) -> Impact:
    if not changes:
        return Impact.NONE
    return Impact.HIGH if reasons else Impact.LOW


def _approvers(environment: str, rules: InfraRules) -> tuple[str, ...]:
    named = (
        who
        for pattern, people in rules.approvers.items()
        if fnmatchcase(environment, pattern)
        for who in people
    )
    return tuple(dict.fromkeys(named))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def identified(plan: Plan) -> Plan:
    """Return a plan with the id of its content."""
    # Plans from before there were owners and files have none in their id.
    without = {"id", *(name for name in ("owner", "file") if getattr(plan, name) is None)}
    contents = plan.model_dump(mode="python", exclude=without)
    return plan.model_copy(update={"id": _sha256(contents)})


def _sha256(value: object) -> str:
    return sha256(_canonical(value).encode()).hexdigest()


def _canonical(value: object) -> str:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise InvalidInputError(f"a property's value is not JSON: {error}") from error
