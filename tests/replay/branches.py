"""Every way through the code generation workflow: run by the integration tests, and recorded."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import RawValue
from temporalio.worker import Worker
from typing_extensions import override

from eventstore.store import EventStore
from tests.support import emitting
from workflows.activities.qagent import QAgentActivities
from workflows.adapters.patterns.lexical import NoPatterns
from workflows.adapters.python_checker import PythonChecker
from workflows.adapters.qlafs.sha256 import Sha256Qlafs
from workflows.adapters.qlafs.signed import SignedQlafs
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.errors import PermanentError
from workflows.messages.code_generation import (
    Artifact,
    CodeFinding,
    Fingerprint,
    GeneratedCode,
    ParsedPrompt,
)
from workflows.messages.patterns import AcceptedCode, Learned, Pattern
from workflows.messages.provenance import RunReference, Seal, SealRequest
from workflows.pipelines.code_generation import CodeGenerationWorkflow
from workflows.ports import CodeTester, LLMGateway, Qlafs, VectorDatabase
from workflows.worker.sandbox import sandbox

REQUEST = {"prompt": "Implement merge sort", "language": "python"}


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


class BrokenQlafs:
    """Vouches for nothing, and says so."""

    async def fingerprint(self, artifact: Artifact, *, run: RunReference) -> Fingerprint:
        raise PermanentError(f"no fingerprint of {artifact.agent}'s work in {run.workflow_id}")

    async def seal(self, request: SealRequest, *, run: RunReference) -> Seal:
        raise PermanentError(f"no seal behind {request.closing} in {run.workflow_id}")


class BrokenPatterns(NoPatterns):
    """Finds and learns nothing, and says so."""

    @override
    async def similar(self, text: str, *, language: str, limit: int) -> tuple[Pattern, ...]:
        raise PermanentError("nothing is found")

    @override
    async def learn(self, accepted: AcceptedCode) -> Learned:
        raise PermanentError("nothing is learned")


class Satisfied:
    """Finds nothing: the tests of the code's author pass."""

    async def test(
        self, generated: GeneratedCode, *, key: str
    ) -> tuple[CodeFinding, ...] | None:
        assert (generated.tests or "").startswith("from generated import "), key
        return ()


class Dissatisfied:
    """Finds that a test fails."""

    async def test(
        self, generated: GeneratedCode, *, key: str
    ) -> tuple[CodeFinding, ...] | None:
        return (CodeFinding(check="tests", rule="failed", message=f"{generated.model} {key}"),)


def bare(store: EventStore) -> Qlafs:
    """Fingerprints that need no store, and no seal."""
    del store
    return Sha256Qlafs()


def signing(store: EventStore) -> Qlafs:
    """Statements under a key that anybody knows."""
    return SignedQlafs(store, Ed25519PrivateKey.from_private_bytes(bytes(32)))


def broken(store: EventStore) -> Qlafs:
    """Neither fingerprints nor seals."""
    del store
    return BrokenQlafs()


@dataclass(frozen=True)
class Branch:
    """One way through the workflow and how it must end."""

    name: str
    emits: tuple[str, ...]
    argument: Any = field(default_factory=lambda: REQUEST)
    gateway: Callable[[], LLMGateway] = RecipeGateway
    qlafs: Callable[[EventStore], Qlafs] = bare
    patterns: Callable[[], VectorDatabase] = NoPatterns
    tester: Callable[[], CodeTester | None] = lambda: None
    status: WorkflowExecutionStatus = WorkflowExecutionStatus.FAILED
    error: str | None = None
    step: str | None = None


PARSED, GENERATED = "prompt-parsed", "code-generated"
SEALED = "results.provenance.sealed"

BRANCHES = (
    Branch(
        "completed",
        (PARSED, GENERATED, "code-validated", "fingerprint-recorded", "completed"),
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch(
        "sealed",
        (PARSED, GENERATED, "code-validated", "fingerprint-recorded", "completed", SEALED),
        qlafs=signing,
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch(
        "failed-and-sealed",
        ("failed", SEALED),
        argument={"prompt": 6},
        qlafs=signing,
        error="InvalidInputError",
    ),
    Branch(
        "nobody-vouches",
        (PARSED, GENERATED, "code-validated", "completed"),
        qlafs=broken,
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch(
        "no-patterns-to-be-had",
        (PARSED, GENERATED, "code-validated", "fingerprint-recorded", "completed"),
        patterns=BrokenPatterns,
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch(
        "untested-and-not-learned",
        (PARSED, GENERATED, "code-validated", "fingerprint-recorded", "completed"),
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch(
        "tested-and-learned",
        (PARSED, GENERATED, "code-validated", "fingerprint-recorded", "completed"),
        tester=Satisfied,
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch(
        "tests-fail",
        (PARSED, GENERATED, "failed"),
        tester=Dissatisfied,
        error="CodeRejectedError",
    ),
    Branch("input-invalid", ("failed",), argument={"prompt": 5}, error="InvalidInputError"),
    Branch(
        "input-unknown-member",
        ("failed",),
        argument={**REQUEST, "lenguage": "python"},
        error="InvalidInputError",
    ),
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
    qlafs: Qlafs | None = None,
    patterns: VectorDatabase | None = None,
    tester: CodeTester | None = None,
    max_cached_workflows: int = 1000,
) -> AsyncIterator[Worker]:
    """Run a worker in this process, with a gateway of the test's choice."""
    qagent = QAgentActivities(
        gateway=gateway,
        checker=PythonChecker(),
        qlafs=qlafs or Sha256Qlafs(),
        patterns=patterns or NoPatterns(),
        tester=tester,
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
    async with worker(
        client,
        task_queue,
        store,
        gateway,
        qlafs=branch.qlafs(store),
        patterns=branch.patterns(),
        tester=branch.tester(),
    ):
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
