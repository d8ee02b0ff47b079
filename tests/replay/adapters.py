"""Models, testers and fingerprints with which a run takes a certain branch."""

import asyncio

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typing_extensions import override

from eventstore.store import EventStore
from workflows.adapters.patterns.lexical import NoPatterns
from workflows.adapters.qlafs.sha256 import Sha256Qlafs
from workflows.adapters.qlafs.signed import SignedQlafs
from workflows.errors import AnswerUnusableError, PermanentError, SuiteNotWrittenError
from workflows.messages.code_generation import (
    Artifact,
    Fingerprint,
    GeneratedCode,
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
from workflows.ports import Qlafs

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
