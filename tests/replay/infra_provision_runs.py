"""Running one way through the infrastructure workflow, with a provisioner and a receiver that can be held."""

import asyncio
import json
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import (
    Client,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.worker import Worker

from bridge.runtime.object_store import ObjectStore
from bridge.sql.storage import COMPONENTS
from eventstore.database import Database
from eventstore.migrate import migrate
from eventstore.store import EventStore
from tests.replay.infra_provision_branches import Branch, Says
from tests.support import databases, emitting
from tests.support.time_skipping import start_skipping
from tests.support.waiting import eventually
from workflows import ports
from workflows.activities.notifier import NotifierActivities
from workflows.activities.qinfra import QInfraActivities
from workflows.adapters.local.environments import LocalProvisioner
from workflows.errors import NotificationRefusedError, PlanOutdatedError
from workflows.messages.approvals import Notification, Notified
from workflows.messages.infra import (
    Destroyed,
    DestroyRequest,
    Plan,
    PlanRequest,
    Provisioned,
    ProvisionRequest,
    Resource,
    RolledBack,
    UndoRequest,
)
from workflows.pipelines.infra_provision import InfraProvisionWorkflow
from workflows.worker.sandbox import sandbox


class Provisioner:
    """A real one, which can be held."""

    def __init__(self, real: ports.Provisioner, branch: Branch) -> None:
        self._real = real
        self._branch = branch
        self.may_plan = asyncio.Event()
        self.made = asyncio.Event()

    async def plan(self, request: PlanRequest) -> Plan:
        await self.may_plan.wait()
        return await self._real.plan(request)

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        if self._branch.moves:
            theirs = Resource(name="theirs", kind=request.plan.desired[0].kind)
            moved = PlanRequest(environment=request.plan.environment, resources=(theirs,))
            plan = await self._real.plan(moved)
            await self._real.provision(ProvisionRequest(plan=plan, key="somebody else"))
        done = await self._real.provision(request)
        self.made.set()
        if self._branch.hang:
            await asyncio.Event().wait()
        return done

    async def roll_back(self, request: UndoRequest) -> RolledBack:
        if self._branch.sticks:
            raise PlanOutdatedError("somebody else has changed it since")
        return await self._real.roll_back(request)

    async def destroy(self, request: DestroyRequest) -> Destroyed:
        return await self._real.destroy(request)


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
        # Branches change environments of one name: each has a database of its own.
        async with databases.database(store.database.dsn) as url:
            await migrate(url, COMPONENTS)
            database = await Database.connect(url)
            ran = await run_in(
                Path(folder), branch, client, task_queue, store, database, cached
            )
            await database.close()
    return ran.handle


async def run_in(
    folder: Path,
    branch: Branch,
    client: Client,
    task_queue: str,
    store: EventStore,
    database: Database,
    cached: int = 100,
    real: ports.Provisioner | None = None,
) -> Ran:
    """Run one branch with the resources of its environments in a folder."""
    local = LocalProvisioner(database, ObjectStore.open(str(folder)))
    provisioner = Provisioner(real or local, branch)
    receiver = Receiver(takes=branch.receiver)
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
