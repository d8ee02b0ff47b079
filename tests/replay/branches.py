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
from workflows.errors import AnswerUnusableError, PermanentError, SuiteNotWrittenError
from workflows.messages.code_generation import (
    Artifact,
    Fingerprint,
    GeneratedCode,
    GenerationRules,
    InformedPrompt,
    ParsedPrompt,
)
from workflows.messages.patterns import AcceptedCode, Learned, Pattern
from workflows.messages.provenance import RunReference, Seal, SealRequest
from workflows.messages.suites import (
    CaseResult,
    GeneratedSuite,
    SuiteOutcome,
    SuiteReport,
    SuiteRequest,
    SuiteRun,
)
from workflows.pipelines.code_generation import CodeGenerationWorkflow
from workflows.ports import CodeTester, LLMGateway, Qlafs, SuiteGenerator, VectorDatabase
from workflows.worker.sandbox import sandbox

REQUEST = {"prompt": "Implement merge sort", "language": "python"}


SLOPPY = "def act():\n    return unknown\n"
GOOD = "def act() -> int:\n    return 1\n"
TESTS = "from generated import act\n\n\ndef test_it() -> None:\n    assert act() == 1\n"


class SloppyGateway:
    """Writes code that does not pass."""

    async def generate_code(self, prompt: ParsedPrompt) -> GeneratedCode:
        return GeneratedCode(code=SLOPPY, language=prompt.language, model="sloppy/1")


class LearningGateway:
    """Writes code that does not pass, and corrects it when that is sent back."""

    def __init__(self) -> None:
        self.asked: list[InformedPrompt] = []

    async def generate_code(self, prompt: InformedPrompt) -> GeneratedCode:
        self.asked.append(prompt)
        code = SLOPPY if prompt.rejected is None else GOOD
        return GeneratedCode(code=code, language=prompt.language, model="learning/1")


class RamblingGateway(LearningGateway):
    """Its first answer has no code."""

    @override
    async def generate_code(self, prompt: InformedPrompt) -> GeneratedCode:
        if prompt.rejected is None:
            raise AnswerUnusableError("rambling/1 answered without any code")
        return await super().generate_code(prompt)


class WritesTests:
    """Writes tests for code, of which it is told if the ones before did not pass."""

    async def generate(self, request: SuiteRequest) -> GeneratedSuite:
        return GeneratedSuite(code=TESTS, language=request.language, generator="learning/1")


class WritesNoTests(WritesTests):
    """Finds no words for tests until it is told so."""

    @override
    async def generate(self, request: SuiteRequest) -> GeneratedSuite:
        told = request.rejected.problems if request.rejected else ()
        if not any("without any code" in problem for problem in told):
            raise SuiteNotWrittenError("learning/1 answered without any code")
        return await super().generate(request)


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
    """The tests of the code pass."""

    async def test(self, run: SuiteRun) -> SuiteReport:
        assert run.tests.startswith("from generated import "), run.key
        return SuiteReport(outcome=SuiteOutcome.PASSED, passed=1, coverage=0.9)


class Dissatisfied:
    """A test of the code fails, however often the code is corrected."""

    async def test(self, run: SuiteRun) -> SuiteReport:
        case = CaseResult(name="test_it", outcome="failed", message=f"{run.language} fails")
        return SuiteReport(outcome=SuiteOutcome.FAILED, failed=1, cases=(case,))


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
