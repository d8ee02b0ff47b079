"""The messages of the infrastructure workflow."""

from enum import StrEnum

from pydantic import Field

from workflows.messages.approvals import Decision, Terms
from workflows.messages.infra import NAME, Impact, Provisioned, Resource
from workflows.messages.message import Message


class InfraProvisionRequest(Message):
    """The data of ``io.quantum-suite.infra.provision-requested.v1``.

    ``resources`` is all that the environment should consist of. ``approvers`` may approve a plan
    of HIGH impact, unless the operator's rules name others (`workflows.settings.infra_rules`);
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
