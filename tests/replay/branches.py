"""Every way through the code generation workflow: run by the integration tests, and recorded."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import RawValue
from temporalio.worker import Worker

from eventstore.store import EventStore
from tests.support import emitting
from workflows.activities.qagent import QAgentActivities
from workflows.adapters.patterns.none import NoPatterns
from workflows.adapters.python_checker import PythonChecker
from workflows.adapters.qlafs.sha256 import Sha256Qlafs
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.code_generation import CodeGenerationWorkflow
from workflows.messages.code_generation import GeneratedCode, ParsedPrompt
from workflows.ports.llm_gateway import LLMGateway
from workflows.sandbox import sandbox

REQUEST = {"prompt": "Implement merge sort", "language": "python", "requested_by": "a test"}


class SloppyGateway:
    """Writes code that does not pass."""

    async def generate_code(self, prompt: ParsedPrompt) -> GeneratedCode:
        return GeneratedCode(code="import os\n", language=prompt.language, model="sloppy/1")


class BrokenGateway:
    """Fails in a way that another try might cure, and never does."""

    def __init__(self) -> None:
        self.calls = 0

    async def generate_code(self, prompt: ParsedPrompt) -> GeneratedCode:
        self.calls += 1
        raise ConnectionError(f"no answer to {prompt.text!r}")


class SlowGateway:
    """Answers never; ``called`` is set when it was asked."""

    def __init__(self) -> None:
        self.called = asyncio.Event()

    async def generate_code(self, prompt: ParsedPrompt) -> GeneratedCode:
        self.called.set()
        await asyncio.Event().wait()
        raise AssertionError(prompt)


@dataclass(frozen=True)
class Branch:
    """One way through the workflow and how it must end."""

    name: str
    emits: tuple[str, ...]
    argument: Any = field(default_factory=lambda: REQUEST)
    gateway: Callable[[], LLMGateway] = RecipeGateway
    status: WorkflowExecutionStatus = WorkflowExecutionStatus.FAILED
    error: str | None = None
    step: str | None = None


PARSED, GENERATED = "prompt-parsed", "code-generated"

BRANCHES = (
    Branch(
        "completed",
        (PARSED, GENERATED, "code-validated", "fingerprint-recorded", "completed"),
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch("input-invalid", ("failed",), argument={"prompt": 5}, error="InvalidInputError"),
    Branch("input-missing", ("failed",), argument=None, error="InvalidInputError"),
    Branch("input-no-object", ("failed",), argument=["sort"], error="InvalidInputError"),
    Branch("input-no-json", ("failed",), argument=b"\xff", error="InvalidInputError"),
    Branch(
        "input-broken-json",
        ("failed",),
        argument=RawValue(Payload(metadata={"encoding": b"json/plain"}, data=b'{"prompt":')),
        error="InvalidInputError",
    ),
    Branch(
        "input-unknown-encoding",
        ("failed",),
        argument=RawValue(Payload(metadata={"encoding": b"morse/plain"}, data=b"...")),
        error="InvalidInputError",
    ),
    Branch(
        "prompt-invalid",
        ("failed",),
        argument={"prompt": "sort", "language": "cobol"},
        error="InvalidPromptError",
        step="qagent.parse_prompt",
    ),
    Branch(
        "prompt-not-served",
        (PARSED, "failed"),
        argument={"prompt": "Write a distributed database"},
        error="PromptNotServedError",
        step="qagent.generate_code",
    ),
    Branch(
        "gateway-broken",
        (PARSED, "failed"),
        gateway=BrokenGateway,
        error="ConnectionError",
        step="qagent.generate_code",
    ),
    Branch(
        "code-rejected",
        (PARSED, GENERATED, "failed"),
        gateway=SloppyGateway,
        error="CodeRejectedError",
    ),
    Branch(
        "cancelled",
        (PARSED, "failed"),
        gateway=SlowGateway,
        status=WorkflowExecutionStatus.CANCELED,
        error="Cancelled",
        step="qagent.generate_code",
    ),
)


@asynccontextmanager
async def worker(
    client: Client,
    task_queue: str,
    store: EventStore,
    gateway: LLMGateway,
    *,
    max_cached_workflows: int = 1000,
) -> AsyncIterator[Worker]:
    """Run a worker in this process, with a gateway of the test's choice."""
    qagent = QAgentActivities(
        gateway=gateway,
        checker=PythonChecker(),
        qlafs=Sha256Qlafs(),
        patterns=NoPatterns(),
    )
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[CodeGenerationWorkflow],
        activities=[
            qagent.parse_prompt,
            qagent.generate_code,
            qagent.check_code,
            qagent.fingerprint,
            qagent.search_patterns,
            qagent.learn_pattern,
            qagent.seal,
            *emitting.activities(client, store),
        ],
        interceptors=emitting.interceptors(task_queue),
        workflow_runner=sandbox(),
        max_cached_workflows=max_cached_workflows,
    ) as running:
        yield running


async def run_branch(
    branch: Branch, *, client: Client, task_queue: str, store: EventStore
) -> WorkflowHandle[Any, Any]:
    """Run one branch to its end and return the closed run's handle."""
    gateway = branch.gateway()
    async with worker(client, task_queue, store, gateway):
        handle = await client.start_workflow(
            "CodeGenerationWorkflow",
            branch.argument,
            id=f"{branch.name}/{uuid.uuid4()}",
            task_queue=task_queue,
        )
        if isinstance(gateway, SlowGateway):
            await gateway.called.wait()
            await handle.cancel()
        with suppress(WorkflowFailureError):  # which may fail is for the caller to say
            await handle.result()
    return handle
