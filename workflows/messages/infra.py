"""The messages of QInfra: wanted environments, plans and their results."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field, JsonValue

from workflows.messages.approvals import Decision, Terms
from workflows.messages.message import Message

NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
"""The pattern of names of environments, resources and services; they are also parts of keys."""


class Resource(Message):
    """A resource of an environment; its name is unique there."""

    name: str = Field(pattern=NAME)
    kind: str = Field(pattern=NAME)
    properties: Mapping[str, JsonValue] = Field(default_factory=dict)


class PlanRequest(Message):
    """All wanted resources of an owner in an environment; its others are destroyed.

    ``owner`` is a service; without one, the resources belong to the environment itself. A plan
    never touches the resources of another owner.
    """

    environment: str = Field(pattern=NAME)
    owner: str | None = Field(default=None, pattern=NAME)
    resources: tuple[Resource, ...] = ()


class Action(StrEnum):
    """The action on a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    """Destroyed and created again: a property changes that cannot change in place."""
    DESTROY = "destroy"


class Impact(StrEnum):
    """The impact of a plan."""

    NONE = "NONE"
    """No change."""
    LOW = "LOW"
    HIGH = "HIGH"
    """A resource is destroyed or replaced, or a rule requires approval."""


class Change(Message):
    """The change of one resource; ``before`` and ``after`` may be absent."""

    action: Action
    name: str
    before: Resource | None = None
    after: Resource | None = None
    properties: tuple[str, ...] = ()
    """The properties that differ, sorted; for updates and replacements."""


class Plan(Message):
    """The changes from the current state to the wanted one.

    ``id`` is a digest of its content. ``base`` is the digest of the state for which it was made;
    a plan is applied to that state only.
    """

    id: str
    environment: str
    owner: str | None = None
    """The service whose resources it changes; None: those of the environment itself."""
    base: str
    changes: tuple[Change, ...]
    impact: Impact
    reasons: tuple[str, ...] = ()
    """Why the impact is HIGH, as text."""
    desired: tuple[Resource, ...]
    """The resources after the plan, by name."""
    approvers: tuple[str, ...] = ()
    """The approvers by the operator's rules; empty if the rules name none."""
    two_people: bool = False
    """Whether the operator's rules require different people to approve and to confirm."""
    file: str | None = None
    """The SHA-256 of the provisioner's own plan file, which is applied exactly; most have none."""


class ProvisionRequest(Message):
    """Apply this plan.

    ``key`` identifies the effect (`workflows.platform.effects.effect_key`): a repeat with the same
    key and plan changes nothing.
    """

    plan: Plan
    key: str = Field(min_length=1)


class Provisioned(Message):
    """What the owner has in the environment after a plan.

    ``revision`` counts from 1 for each owner in each environment.
    """

    environment: str
    owner: str | None = None
    plan: str
    revision: int
    previous: int
    """The previous revision; 0 if the owner had nothing there."""
    resources: tuple[Resource, ...]


class UndoRequest(Message):
    """Undo the change of this key, whether it finished or not."""

    environment: str = Field(pattern=NAME)
    owner: str | None = Field(default=None, pattern=NAME)
    key: str = Field(min_length=1)


class RolledBack(Message):
    """The result of undoing; ``undone`` is false if there was nothing to undo."""

    environment: str
    undone: bool
    revision: int
    """The current revision; 0 if there is no environment."""


class DestroyRequest(Message):
    """Destroy all resources of an owner in an environment.

    With ``made_by``, only if they were first created under that key: a compensation must not
    destroy what existed before its run.
    """

    environment: str = Field(pattern=NAME)
    owner: str | None = Field(default=None, pattern=NAME)
    key: str = Field(min_length=1)
    made_by: str | None = None


class Destroyed(Message):
    """``destroyed`` lists the destroyed resources by name; empty if there were none."""

    environment: str
    destroyed: tuple[str, ...]
    revision: int


# The messages of the infrastructure workflow.


class InfraProvisionRequest(Message):
    """The data of ``io.quantum-suite.infra.provision-requested.v1``.

    ``resources`` lists all wanted resources of ``service`` in the environment; without a service,
    those of the environment itself. Resources of other services are not touched. ``approvers`` may approve a plan
    of HIGH impact, unless the operator's rules name others (`workflows.settings`);
    ``confirmers`` may confirm an approval; default: the approvers.
    """

    environment: str = Field(pattern=NAME)
    service: str | None = Field(default=None, pattern=NAME)
    resources: tuple[Resource, ...]
    requested_by: str = ""
    approvers: tuple[str, ...] = ()
    confirmers: tuple[str, ...] = ()
    terms: Terms = Terms()


class Status(StrEnum):
    """The outcome of a run that did not fail."""

    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    TIMEOUT = "TIMEOUT"


class InfraProvisionResult(Message):
    """The outcome of the request.

    A run whose provisioning fails ends FAILED; its closing event has the reason and the
    roll-back.
    """

    status: Status
    environment: str
    plan: str
    impact: Impact
    reason: str = ""
    """Why nothing was provisioned."""
    approval: Decision | None = None
    confirmation: Decision | None = None
    provisioned: Provisioned | None = None
