"""Workflows that routes of the tests touch, and a worker for them in the test's own process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from workflows.platform.inbox import ReceivesEvents
from workflows.platform.inputs import NO_INPUT


@workflow.defn(name="Target")
class Target:
    """Stays open, takes what comes, does nothing with it: its history is what tests read."""

    @workflow.run
    async def run(self, _argument: Any = None) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal(name="note")
    async def note(self, envelope: dict[str, Any]) -> None:
        """A signal; the history keeps it."""

    @workflow.update(name="note")
    async def noted(self, envelope: dict[str, Any]) -> str:
        """An update; likewise."""
        return str(envelope["id"])

    @noted.validator
    def check(self, envelope: dict[str, Any]) -> None:
        """Let everything pass but what asks to be rejected."""
        if envelope["data"].get("reject"):
            raise ValueError("the event asks to be rejected")


@workflow.defn(name="Brief")
class Brief:
    """Ends soon; one that waits ends when it is cancelled, unless it ignores that."""

    @workflow.run
    async def run(self, argument: dict[str, Any]) -> None:
        while argument.get("waits"):
            try:
                await workflow.wait_condition(lambda: False)
            except asyncio.CancelledError:
                if not argument.get("ignores"):
                    raise
        await workflow.sleep(0.05)


@workflow.defn(name="Remembering")
class Remembering(ReceivesEvents):
    """Takes events through its inbox, and continues as new after each one."""

    @workflow.init
    def __init__(self, argument: RawValue = NO_INPUT, carried: RawValue = NO_INPUT) -> None:
        super().__init__(carried)
        taken = workflow.payload_converter().from_payload(argument.payload)
        self.ids: list[str] = taken if isinstance(taken, list) else []

    @workflow.run
    async def run(self, _argument: RawValue = NO_INPUT, _carried: RawValue = NO_INPUT) -> None:
        self.ids.append((await self.inbox.next()).id)
        await self.inbox.continue_as_new(self.ids)

    @workflow.query
    def taken(self) -> list[str]:
        """The ids of all events that had an effect, over all runs."""
        return self.ids


@asynccontextmanager
async def worker(client: Client, task_queue: str) -> AsyncIterator[None]:
    """Serve the workflows on a task queue."""
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[Target, Brief, Remembering],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield
