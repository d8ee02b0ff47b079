"""Every way through the infrastructure workflow: run by the integration tests, and recorded."""

import asyncio
import json
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.worker import Worker
from typing_extensions import override

from eventstore.store import EventStore
from tests.support import emitting
from tests.support.time_skipping import start_skipping
from tests.support.waiting import eventually
from workflows.activities.notifier import NotifierActivities
from workflows.activities.qinfra import QInfraActivities
from workflows.adapters.local.environments import LocalProvisioner
from workflows.errors import NotificationRefusedError
from workflows.infra_provision import InfraProvisionWorkflow
from workflows.messages.infra import (
    Plan,
    PlanRequest,
    Provisioned,
    ProvisionRequest,
    Resource,
)
from workflows.messages.notifications import Notification, Notified
from workflows.sandbox import sandbox

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


class Provisioner(LocalProvisioner):
    """The real one, which can be held."""

    def __init__(self, folder: Path, branch: Branch) -> None:
        super().__init__(folder)
        self._branch = branch
        self.may_plan = asyncio.Event()
        self.made = asyncio.Event()

    @override
    async def plan(self, request: PlanRequest) -> Plan:
        await self.may_plan.wait()
        return await super().plan(request)

    @override
    async def provision(self, request: ProvisionRequest) -> Provisioned:
        if self._branch.moves:
            theirs = Resource(name="theirs", kind="bucket")
            moved = PlanRequest(environment=request.plan.environment, resources=(theirs,))
            plan = await super().plan(moved)
            await super().provision(ProvisionRequest(plan=plan, key="somebody else"))
        done = await super().provision(request)
        self.made.set()
        if self._branch.hang:
            await asyncio.Event().wait()
        return done


class Receiver:
    """Takes notifications, or none."""

    def __init__(self, *, takes: bool) -> None:
        self._takes = takes
        self.told: list[Notification] = []

    async def notify(self, notification: Notification) -> Notified:
        if not self._takes:
            raise NotificationRefusedError("nobody is there")
        self.told.append(notification)
        return Notified(id=notification.id, channel="a test")


@dataclass
class Ran:
    """A branch that was run to its end."""

    handle: WorkflowHandle[Any, Any]
    provisioner: Provisioner
    receiver: Receiver
    state: Path


@asynccontextmanager
async def _worker(
    client: Client,
    task_queue: str,
    store: EventStore,
    provisioner: Provisioner,
    receiver: Receiver,
    cached: int,
) -> AsyncIterator[None]:
    infra, telling = QInfraActivities(provisioner), NotifierActivities(receiver)
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[InfraProvisionWorkflow],
        activities=[
            *(infra.plan, infra.provision, infra.roll_back, infra.destroy),
            telling.notify,
            *emitting.activities(client, store),
        ],
        interceptors=emitting.interceptors(task_queue),
        workflow_runner=sandbox(),
        max_cached_workflows=cached,
    ):
        yield


async def run_branch(
    branch: Branch, *, client: Client, task_queue: str, store: EventStore, cached: int = 100
) -> WorkflowHandle[Any, Any]:
    """Run one branch to its end and return the closed run's handle."""
    with tempfile.TemporaryDirectory() as folder:
        ran = await run_in(Path(folder), branch, client, task_queue, store, cached)
    return ran.handle


async def run_in(
    folder: Path,
    branch: Branch,
    client: Client,
    task_queue: str,
    store: EventStore,
    cached: int = 100,
) -> Ran:
    """Run one branch with its environments in a folder."""
    provisioner, receiver = Provisioner(folder, branch), Receiver(takes=branch.receiver)
    identity = f"infra-provision/{uuid.uuid4()}"
    async with _worker(client, task_queue, store, provisioner, receiver, cached):
        if branch.skips:
            handle = await start_skipping(
                client,
                "InfraProvisionWorkflow",
                branch.argument,
                id=identity,
                task_queue=task_queue,
            )
        else:
            handle = await client.start_workflow(
                "InfraProvisionWorkflow", branch.argument, id=identity, task_queue=task_queue
            )
        for says in branch.says:
            if says.after is not None:
                provisioner.may_plan.set()
                await told(store, identity, says.after)
            await _say(handle, says)
        provisioner.may_plan.set()
        if branch.cancel_after is not None:
            await told(store, identity, branch.cancel_after)
            if branch.hang:
                await provisioner.made.wait()
            await handle.cancel()
        with suppress(WorkflowFailureError):  # which may fail is for the caller to say
            await handle.result()
    return Ran(handle, provisioner, receiver, folder)


async def told(store: EventStore, workflow_id: str, name: str) -> None:
    """Wait until the run has told something."""

    async def found() -> bool:
        events = [each async for each in store.read_stream(f"run-{workflow_id}")]
        return any(str(each.topic).endswith(f".{name}") for each in events)

    await eventually(found, within=30, what=f"{name} of {workflow_id}")


async def _say(handle: WorkflowHandle[Any, Any], says: Says) -> None:
    if says.raw is not None:
        await handle.signal(says.name, says.raw)
        return
    data = says.data
    if isinstance(data, Mapping) and data.get("request") == "approval":
        run = (await handle.describe()).raw_description.workflow_execution_info
        data = {
            **data,
            "request": f"{handle.id}/{run.first_run_id or run.execution.run_id}/approval",
        }
    await handle.signal(
        says.name,
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": "/tests/people",
            "type": f"io.quantum-suite.infra.{says.name}.v1",
            "data": json.loads(json.dumps(data)),
        },
    )
