"""Every way through the code generation workflow: run by the integration tests, and recorded."""

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
from tests.replay.adapters import (
    BrokenGateway,
    BrokenPatterns,
    Dissatisfied,
    LearningGateway,
    RamblingGateway,
    Satisfied,
    SloppyGateway,
    SlowGateway,
    WritesNoTests,
    WritesTests,
    bare,
    broken,
    signing,
)
from tests.support import emitting
from workflows.activities.qagent import QAgentActivities
from workflows.adapters.patterns.lexical import NoPatterns
from workflows.adapters.python_checker import PythonChecker
from workflows.adapters.qlafs.sha256 import Sha256Qlafs
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.messages.code_generation import (
    GenerationRules,
)
from workflows.pipelines.code_generation import CodeGenerationWorkflow
from workflows.ports import CodeTester, LLMGateway, Qlafs, SuiteGenerator, VectorDatabase
from workflows.worker.sandbox import sandbox

REQUEST = {"prompt": "Implement merge sort", "language": "python"}


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
    suites: Callable[[], SuiteGenerator | None] = lambda: None
    rules: GenerationRules | None = None
    status: WorkflowExecutionStatus = WorkflowExecutionStatus.FAILED
    error: str | None = None
    step: str | None = None


PARSED, GENERATED, REJECTED = "prompt-parsed", "code-generated", "code-rejected"
PASSED = ("code-validated", "fingerprint-recorded", "completed")
THREE_ROUNDS = GenerationRules(rounds=3)
WITH_TESTS = GenerationRules(rounds=3, writes_tests=True)
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
    Branch(
        "repaired",
        (PARSED, GENERATED, REJECTED, GENERATED, *PASSED),
        gateway=LearningGateway,
        rules=THREE_ROUNDS,
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch(
        "repaired-and-tested",
        (PARSED, GENERATED, REJECTED, GENERATED, *PASSED),
        gateway=LearningGateway,
        suites=WritesTests,
        tester=Satisfied,
        rules=WITH_TESTS,
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch(
        "answer-without-code",
        (PARSED, REJECTED, GENERATED, *PASSED),
        gateway=RamblingGateway,
        rules=THREE_ROUNDS,
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch(
        "tests-not-written-at-first",
        (PARSED, GENERATED, REJECTED, GENERATED, REJECTED, GENERATED, *PASSED),
        gateway=LearningGateway,
        suites=WritesNoTests,
        tester=Satisfied,
        rules=WITH_TESTS,
        status=WorkflowExecutionStatus.COMPLETED,
    ),
    Branch(
        "never-repaired",
        (PARSED, GENERATED, REJECTED, GENERATED, REJECTED, GENERATED, "failed"),
        gateway=SloppyGateway,
        rules=THREE_ROUNDS,
        error="CodeRejectedError",
    ),
    Branch(
        "not-fingerprinted",
        (PARSED, GENERATED, "code-validated", "failed"),
        qlafs=broken,
        rules=GenerationRules(needs_fingerprint=True),
        error="PermanentError",
        step="qagent.fingerprint",
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
        argument={"prompt": "sort", "language": "?"},
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
    **ports: Any,
) -> AsyncIterator[Worker]:
    """Run a worker in this process, with a gateway and other ports of the test's choice."""
    checker = PythonChecker()
    given = {"qlafs": Sha256Qlafs(), "patterns": NoPatterns(), **ports}
    qagent = QAgentActivities(gateway=gateway, checker=checker, fixer=checker, **given)
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[CodeGenerationWorkflow],
        activities=[
            qagent.parse_prompt,
            qagent.generate_code,
            qagent.check_code,
            qagent.write_tests,
            qagent.test_code,
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
        suites=branch.suites(),
        rules=branch.rules,
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
