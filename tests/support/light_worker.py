"""``ntbridge-worker`` with one more module: a workflow that does nothing but emit.

As a program (`python -m tests.support.light_worker`) it is the worker as it stands, settings and
all; crash tests need hundreds of runs, and the code generation takes a tenth of a second each.
"""

from temporalio import workflow

from workflows.messages.message import Message
from workflows.platform.result_events import ResultEvents

with workflow.unsafe.imports_passed_through():
    from workflows.modules import MODULES
    from workflows.modules.module import Module
    from workflows.worker.cli import main

STEP = "io.quantum-suite.light.stepped.v1"
COMPLETED = "io.quantum-suite.light.completed.v1"


class Request(Message):
    """What the workflow is asked."""

    number: int
    steps: int = 0


class Step(Message):
    """The data of the result events."""

    number: int
    step: int


@workflow.defn(name="LightWorkflow")
class LightWorkflow:
    """Emits a result event for each step, and one at the end."""

    @workflow.run
    async def run(self, request: Request) -> None:
        results = ResultEvents()
        for step in range(request.steps):
            await results.emit(STEP, Step(number=request.number, step=step))
        await results.close(COMPLETED, Step(number=request.number, step=request.steps))


MODULES["light"] = lambda _means: Module(workflows=(LightWorkflow,), activities=())

if __name__ == "__main__":
    main()
