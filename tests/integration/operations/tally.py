"""A workflow that remembers what reached it."""

from typing import Any

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError

from tests.support.waiting import eventually


@workflow.defn(name="Tally")
class Tally:
    """Counts signals and updates until told to end; carries the count over continue-as-new."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.next: str | None = None

    @workflow.run
    async def run(self, before: Any = None) -> list[Any]:
        self.got[:0] = before if isinstance(before, list) else []
        await workflow.wait_condition(lambda: self.next is not None)
        if self.next == "again":
            workflow.continue_as_new(self.got)
        return self.got

    @workflow.signal
    def add(self, argument: Any = None) -> None:
        self.got.append(argument)

    @workflow.signal
    def finish(self, argument: Any = None) -> None:
        self.got.append(argument)
        self.next = "end"

    @workflow.signal
    def again(self) -> None:
        self.next = "again"

    @workflow.query
    def tally(self) -> list[Any]:
        return self.got

    @workflow.update
    async def change(self, envelope: dict[str, Any]) -> int:
        data = envelope.get("data") or {}
        if data.get("fail"):
            raise ApplicationError("the handler fails", type="Broken")
        if data.get("slow"):
            await workflow.wait_condition(lambda: self.next is not None)
        self.got.append(envelope)
        return len(self.got)

    @change.validator
    def check(self, envelope: dict[str, Any]) -> None:
        if (envelope.get("data") or {}).get("bad"):
            raise ValueError("the validator says no")


async def start(client: Client, task_queue: str, workflow_id: str) -> WorkflowHandle[Any, Any]:
    return await client.start_workflow("Tally", id=workflow_id, task_queue=task_queue)


async def continued(client: Client, workflow_id: str, run_id: str | None) -> None:
    """Wait until another run has followed this one."""

    async def another() -> bool:
        return (await client.get_workflow_handle(workflow_id).describe()).run_id != run_id

    await eventually(another, what="the next run")
