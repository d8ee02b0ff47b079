"""Every way through the infrastructure workflow, and how each must end."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.client import (
    WorkflowExecutionStatus,
)

BUCKET = {"name": "files", "kind": "bucket", "properties": {}}
VOLUME_WITHOUT_SIZE = {"name": "disk", "kind": "volume", "properties": {}}
ASKING = {
    "environment": "production",
    "resources": [BUCKET],
    "approvers": ["ann", "bob"],
    "requested_by": "a test",
}
DAY = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Says:
    """Somebody answers, when the run has told something.

    Attributes:
        after: The name of a result event; None: before the plan is made.
        name: Of the signal.
        data: Of the event; ``request`` stands for the id of the question of that name.
        raw: Sent instead, as it is.
    """

    after: str | None
    name: str = "approval-answer"
    data: Any = None
    raw: Any = None


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One way through the workflow and how it must end."""

    name: str
    emits: Sequence[str]
    argument: Any = field(default_factory=lambda: ASKING)
    says: Sequence[Says] = ()
    status: WorkflowExecutionStatus = WorkflowExecutionStatus.COMPLETED
    result: str | None = None
    reason: str = ""
    error: str | None = None
    skips: bool = False
    """Whether time passes as soon as the run only waits."""
    cancel_after: str | None = None
    hang: bool = False
    """Whether provisioning stands still, when all of it is done, until it is cancelled."""
    moves: bool = False
    """Whether somebody else changes the environment between approval and confirmation."""
    sticks: bool = False
    """Whether nothing can be rolled back."""
    receiver: bool = True
    """Whether notifications are taken."""


def grants(who: str = "ann", **data: Any) -> Says:
    return Says(after="approval-requested", data={"who": who, "approved": True, **data})


def confirms(who: str = "bob", **data: Any) -> Says:
    return Says(
        after="confirmation-requested",
        name="approval-confirmation",
        data={"who": who, **data},
    )


APPROVED = ("planned", "approval-requested", "approval-granted")
CONFIRMED = (*APPROVED, "confirmation-requested", "confirmation-granted")
FAILED, CANCELED = WorkflowExecutionStatus.FAILED, WorkflowExecutionStatus.CANCELED

BRANCHES = (
    Branch(
        name="impact-low",
        argument={**ASKING, "environment": "staging"},
        emits=("planned", "provisioned", "completed"),
        result="COMPLETED",
    ),
    Branch(
        name="approved",
        says=(grants(why="it is time"), confirms(confirmed=True)),
        emits=(*CONFIRMED, "provisioned", "completed"),
        result="COMPLETED",
    ),
    Branch(
        name="two-people",
        argument={**ASKING, "terms": {"two_people": True}},
        says=(grants(), confirms(who="ann"), confirms()),
        emits=(
            *(*APPROVED, "confirmation-requested", "confirmation-refused"),
            *("confirmation-granted", "provisioned", "completed"),
        ),
        result="COMPLETED",
    ),
    Branch(
        name="no-two-people",
        argument={**ASKING, "approvers": ["ann"], "terms": {"two_people": True}},
        emits=("planned", "failed"),
        status=FAILED,
        error="NobodyMayApproveError",
    ),
    Branch(
        name="denied",
        says=(grants(approved=False, reason="not on a Friday"),),
        emits=("planned", "approval-requested", "approval-denied", "completed"),
        result="REJECTED",
        reason="Human approval denied",
    ),
    Branch(
        name="confirmation-denied",
        says=(grants(), confirms(confirmed=False)),
        emits=(*APPROVED, "confirmation-requested", "confirmation-denied", "completed"),
        result="REJECTED",
        reason="Human approval denied",
    ),
    Branch(
        name="approval-unanswered",
        argument={**ASKING, "terms": {"escalate_to": ["eve"]}},
        skips=True,
        emits=(
            *("planned", "approval-requested", "approval-reminded", "approval-escalated"),
            *("approval-reminded", "approval-timed-out", "completed"),
        ),
        result="TIMEOUT",
        reason="Human approval timeout",
    ),
    Branch(
        name="confirmation-unanswered",
        argument={**ASKING, "terms": {"remind_every": None}},
        skips=True,
        says=(Says(after=None, data={"who": "ann", "approved": True, "request": "approval"}),),
        emits=(*APPROVED, "confirmation-requested", "confirmation-timed-out", "completed"),
        result="TIMEOUT",
        reason="Approval confirmation timeout",
    ),
    Branch(
        name="escalated",
        argument={
            **ASKING,
            "terms": {"escalate_after": "1s", "escalate_to": ["eve"], "remind_every": "7d"},
        },
        says=(
            grants(who="eve"),
            Says(after="approval-escalated", data={"who": "eve", "approved": False}),
        ),
        emits=(
            *("planned", "approval-requested", "approval-refused", "approval-escalated"),
            *("approval-denied", "completed"),
        ),
        result="REJECTED",
        reason="Human approval denied",
    ),
    Branch(
        name="answers-that-do-not-count",
        says=(
            Says(after=None, data={"who": "ann", "approved": True}),  # before the question
            grants(who="mallory"),
            grants(request="infra-provision/other/approval"),
            grants(approved="yes"),
            Says(after="approval-requested", data=["ann"]),
            Says(after="approval-requested", raw={"who": "ann", "approved": True}),
            grants(request="approval"),
            Says(after="approval-granted", data={"who": "bob", "approved": False}),
            confirms(who="ann"),
        ),
        emits=(
            *("planned", "approval-requested"),
            *["approval-refused"] * 5,
            *("approval-granted", "confirmation-requested", "confirmation-granted"),
            *("provisioned", "approval-refused", "approval-refused", "completed"),
        ),
        result="COMPLETED",
    ),
    Branch(
        name="nobody-was-told",
        receiver=False,
        says=(Says(after="approval-not-told", data={"who": "ann", "approved": False}),),
        emits=(
            *("planned", "approval-requested", "approval-not-told", "approval-denied"),
            "completed",
        ),
        result="REJECTED",
        reason="Human approval denied",
    ),
    Branch(
        name="provision-refused",
        argument={
            **ASKING,
            "environment": "staging",
            "resources": [BUCKET, VOLUME_WITHOUT_SIZE],
        },
        emits=("planned", "rolled-back", "failed"),
        status=FAILED,
        error="ProvisionRefusedError",
    ),
    Branch(
        name="roll-back-fails",
        argument={
            **ASKING,
            "environment": "staging",
            "resources": [BUCKET, VOLUME_WITHOUT_SIZE],
        },
        sticks=True,
        emits=("planned", "rolled-back", "failed"),
        status=FAILED,
        error="ProvisionRefusedError",
    ),
    Branch(
        name="plan-outdated",
        moves=True,
        says=(grants(), confirms()),
        emits=(*CONFIRMED, "rolled-back", "failed"),
        status=FAILED,
        error="PlanOutdatedError",
    ),
    Branch(
        name="nobody-may-approve",
        argument={**ASKING, "approvers": []},
        emits=("planned", "failed"),
        status=FAILED,
        error="NobodyMayApproveError",
    ),
    Branch(
        name="input-invalid",
        argument={**ASKING, "resources": [{"name": "../x", "kind": "bucket"}]},
        emits=("failed",),
        status=FAILED,
        error="InvalidInputError",
    ),
    Branch(
        name="plan-impossible",
        argument={**ASKING, "resources": [BUCKET, BUCKET]},
        emits=("failed",),
        status=FAILED,
        error="InvalidInputError",
    ),
    Branch(
        name="cancelled-while-asking",
        cancel_after="approval-requested",
        emits=("planned", "approval-requested", "failed"),
        status=CANCELED,
        error="Cancelled",
    ),
    Branch(
        name="cancelled-half-way",
        argument={**ASKING, "environment": "staging"},
        hang=True,
        cancel_after="planned",
        emits=("planned", "rolled-back", "failed"),
        status=CANCELED,
        error="Cancelled",
    ),
)
