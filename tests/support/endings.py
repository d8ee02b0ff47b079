"""A workflow that ends as it is told, and a worker for it in the test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

_LENGTHS = {"large": 300_000, "heavy": 100_000}


@workflow.defn(name="Ends")
class Ends:
    """Ends in the way that its argument names."""

    def __init__(self) -> None:
        self._gone = False

    @workflow.run
    async def run(self, plan: dict[str, Any]) -> Any:
        match plan["how"]:
            case "complete":
                return {"said": plan["name"]}
            case "fail":
                raise ApplicationError("it broke", type="Broken") from ValueError("deep down")
            case "wait":
                await workflow.wait_condition(lambda: self._gone)
                return "went"
            case "retry":
                attempt = workflow.info().attempt
                if attempt < 3:
                    raise ApplicationError("once more", type="Again")
                return attempt
            case "again":
                if plan["left"]:
                    workflow.continue_as_new({**plan, "left": plan["left"] - 1})
                return "at last"
            case "large" | "heavy":
                return "x" * _LENGTHS[plan["how"]]
            case "long":
                raise ApplicationError("é" * 3000, type="T" * 3000) from ValueError("y" * 4000)
            case _:
                return b"\x00\xff"

    @workflow.signal(name="go")
    def go(self) -> None:
        """Let one that waits go on."""
        self._gone = True


@asynccontextmanager
async def worker(client: Client, task_queue: str) -> AsyncIterator[None]:
    """Serve the workflow on a task queue."""
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[Ends],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield
