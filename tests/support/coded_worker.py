"""``ntbridge-worker`` with a workflow that puts what it is sent wherever Temporal stores anything."""

from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from workflows.messages.message import Message
from workflows.platform.result_events import ResultEvents

with workflow.unsafe.imports_passed_through():
    from workflows.modules import MODULES
    from workflows.modules.module import Module
    from workflows.worker.cli import main

EMITTED = "io.quantum-suite.coded.emitted.v1"


class Request(Message):
    """What the workflow is asked."""

    id: str
    text: str
    trouble: str = ""
    """The message of every failure."""


class Noted(Message):
    """The data of the result event."""

    text: str


@activity.defn
async def heed(request: Request) -> str:
    """Fail once if trouble is wanted, with details and a cause; return the text."""
    activity.heartbeat(request.text)
    if request.trouble and activity.info().attempt == 1:
        try:
            raise ValueError(request.trouble)  # noqa: TRY301 - the cause of the failure
        except ValueError as error:
            raise ApplicationError(request.trouble, request.text) from error
    return request.text


@workflow.defn(name="CodedWorkflow")
class CodedWorkflow:
    """Runs an activity, emits, waits for a signal, and returns or fails."""

    def __init__(self) -> None:
        self._signalled: str | None = None

    @workflow.run
    async def run(self, request: Request) -> dict[str, Any]:
        workflow.upsert_memo({"own": request.text})
        text = await workflow.execute_activity(
            heed,
            request,
            start_to_close_timeout=timedelta(seconds=10),
            heartbeat_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=10)),
            summary=request.text,
        )
        await ResultEvents().emit(EMITTED, Noted(text=text))
        await workflow.wait_condition(lambda: self._signalled is not None)
        if request.trouble:
            raise ApplicationError(request.trouble, type="Trouble", non_retryable=True)
        return {"text": text, "signalled": self._signalled}

    @workflow.signal
    def go(self, request: Request) -> None:
        self._signalled = request.text

    @workflow.update
    def change(self, request: Request) -> str:
        if request.trouble:
            raise ApplicationError(request.trouble)
        return request.text


MODULES["coded"] = lambda _resources: Module(workflows=(CodedWorkflow,), activities=(heed,))

if __name__ == "__main__":
    main()
