"""The messages of QInfra: what an environment should be, the plan to get there, what was done."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field, JsonValue

from workflows.messages.approvals import Decision, Terms
from workflows.messages.message import Message

NAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
"""What environments, resources and services may be called: a name is also a file's."""


class Resource(Message):
    """One thing that an environment consists of; its name is unique there."""

    name: str = Field(pattern=NAME)
    kind: str = Field(pattern=NAME)
    properties: Mapping[str, JsonValue] = Field(default_factory=dict)


class PlanRequest(Message):
    """What an environment should consist of: all of it, so that what is not named goes."""

    environment: str = Field(pattern=NAME)
    resources: tuple[Resource, ...] = ()


class Action(StrEnum):
    """What is to be done with a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    """Destroyed and made anew: a property changes that cannot change in place."""
    DESTROY = "destroy"


class Impact(StrEnum):
    """How much a plan can break."""

    NONE = "NONE"
    """Nothing changes."""
    LOW = "LOW"
    HIGH = "HIGH"
    """Something is destroyed or replaced, or a rule says so: people are asked first."""


class Change(Message):
    """What is to be done with one resource; ``before`` and ``after`` as far as there are any."""

    action: Action
    name: str
    before: Resource | None = None
    after: Resource | None = None
    properties: tuple[str, ...] = ()
    """Those that differ, sorted; of an update or a replacement."""


class Plan(Message):
    """The way from what there is to what is wanted.

    ``id`` is a digest of everything in it. ``base`` is the digest of the state that it was made
    for; a plan is applied to that state and to no other.
    """

    id: str
    environment: str
    base: str
    changes: tuple[Change, ...]
    impact: Impact
    reasons: tuple[str, ...] = ()
    """Why the impact is HIGH, for people."""
    desired: tuple[Resource, ...]
    """What the environment consists of afterwards, by name."""
    approvers: tuple[str, ...] = ()
    """Who may approve it by the operator's rules; empty when they name nobody."""
    two_people: bool = False
    """Whether, by the operator's rules, who confirms must be another than who approved."""


class ProvisionRequest(Message):
    """Apply this plan.

    ``key`` tells one effect from another (`workflows.platform.effects.effect_key`): the same key and
    plan again change nothing.
    """

    plan: Plan
    key: str = Field(min_length=1)


class Provisioned(Message):
    """The environment as a plan has left it. ``revision`` counts from 1, per environment."""

    environment: str
    plan: str
    revision: int
    previous: int
    """The revision before; 0 when there was no environment."""
    resources: tuple[Resource, ...]


class UndoRequest(Message):
    """Undo what was done under this key, finished or not."""

    environment: str = Field(pattern=NAME)
    key: str = Field(min_length=1)


class RolledBack(Message):
    """What undoing came to; ``undone`` is false when there was nothing to undo."""

    environment: str
    undone: bool
    revision: int
    """The environment's now; 0 when there is none."""


class DestroyRequest(Message):
    """Destroy an environment with everything in it.

    With ``made_by``, only when it was made under that key: a compensation must not take down
    what was there before its run.
    """

    environment: str = Field(pattern=NAME)
    key: str = Field(min_length=1)
    made_by: str | None = None


class Destroyed(Message):
    """``destroyed`` lists the resources that went, by name; empty when nothing was there."""

    environment: str
    destroyed: tuple[str, ...]
    revision: int


# The messages of the infrastructure workflow.


class InfraProvisionRequest(Message):
    """The data of ``io.quantum-suite.infra.provision-requested.v1``.

    ``resources`` is all that the environment should consist of. ``approvers`` may approve a plan
    of HIGH impact, unless the operator's rules name others (`workflows.settings`);
    ``confirmers`` may confirm what was approved, by default the approvers.
    """

    environment: str = Field(pattern=NAME)
    resources: tuple[Resource, ...]
    requested_by: str = ""
    approvers: tuple[str, ...] = ()
    confirmers: tuple[str, ...] = ()
    terms: Terms = Terms()


class Status(StrEnum):
    """How a run ended that ended in an orderly way."""

    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    TIMEOUT = "TIMEOUT"


class InfraProvisionResult(Message):
    """What became of the request.

    A run whose provisioning fails ends FAILED: its closing event says why, and that it was
    rolled back.
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
