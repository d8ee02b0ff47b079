"""The messages of code generation, in the order of their use."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field
from typing_extensions import override

from workflows.messages.message import Message
from workflows.messages.patterns import Pattern
from workflows.messages.provenance import SignedEnvelope
from workflows.messages.suites import (
    TARGET_COVERAGE,
    CoveragePolicy,
    Fraction,
    RejectedCode,
    SuiteReport,
)
from workflows.messages.usage import Usage

MAX_PROMPT = 16_000
"""Characters; a longer prompt is refused, not cut."""


class CodeGenerationRequest(Message):
    """The data of ``io.quantum-suite.code-generation.requested.v1``.

    Any language may be asked for; the result says what was checked. Without a
    ``coverage_policy``, that of the worker applies.
    """

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)
    language: str = Field(default="python", min_length=1, max_length=40)
    target_coverage: Fraction = TARGET_COVERAGE
    coverage_policy: CoveragePolicy | None = None


class GenerationRules(Message):
    """The worker's settings for a run, recorded with its prompt so that the run keeps them.

    ``rounds`` is how many versions the model may write until one passes the checks;
    ``writes_tests``: the model also writes tests; ``needs_fingerprint``: a run whose code gets no
    fingerprint fails.
    """

    rounds: int = 1
    writes_tests: bool = False
    needs_fingerprint: bool = False


class ParsedPrompt(Message):
    """A valid prompt.

    ``text`` is normalised (NFC, no spaces at the ends of lines); ``function_name`` is the name that the prompt
    asks for, if any; ``rules`` are those of the worker.
    """

    text: str
    language: str
    function_name: str | None = None
    rules: GenerationRules = GenerationRules()


class InformedPrompt(ParsedPrompt):
    """A prompt with what else the language model gets.

    ``patterns`` are examples; ``rejected`` is the model's previous version, which did not pass.
    """

    patterns: tuple[Pattern, ...] = ()
    rejected: RejectedCode | None = None


class GeneratedCode(Message):
    """Source code and its author.

    ``model`` is the language model or, offline, the recipe library with its version; ``recipe``
    and ``parameters`` are the offline gateway's reading of the prompt. ``tests`` is a test module
    by the same author, if there is one; it imports the code from the module ``generated``.
    """

    code: str
    language: str
    model: str
    recipe: str | None = None
    parameters: Mapping[str, str] = Field(default_factory=dict)
    tests: str | None = None
    usage: Usage | None = None
    """What the answer of the language model cost."""


class CheckRequest(GeneratedCode):
    """Code to check; ``function_name`` is the name that the prompt asks for, if any."""

    function_name: str | None = None


class CodeFinding(Message):
    """One fault that a check found in the code; ``line`` counts from 1.

    ``style``: it is not an error, so it alone does not reject the code.
    """

    check: str
    rule: str
    message: str
    line: int | None = None
    style: bool = False

    @override
    def __str__(self) -> str:
        place = f" in line {self.line}" if self.line else ""
        return f"{self.check} {self.rule}{place}: {self.message}"


ANSWER = "answer"
"""The check that a language model's answer is whole and has code."""
TESTS = "tests"
"""The check that runs tests of the code."""


class CheckReport(Message):
    """The result of the checks. Without findings, the code passed all of ``checks``.

    A check that did not run is not among them: ``tests`` is there only if tests ran; ``suite`` is
    their report.
    """

    checks: tuple[str, ...]
    findings: tuple[CodeFinding, ...] = ()
    suite: SuiteReport | None = None

    @property
    def tested(self) -> bool:
        """Whether tests ran."""
        return TESTS in self.checks

    @property
    def passed(self) -> bool:
        """Whether nothing was found, style apart."""
        return all(finding.style for finding in self.findings)


class Round(Message):
    """One version of the code that did not pass; ``number`` counts from 1.

    Bounded: long code and long findings are cut, and ``omitted`` counts findings that are left
    out. ``code`` is empty if the model's answer had none.
    """

    number: int
    model: str | None = None
    checks: tuple[str, ...] = ()
    findings: tuple[CodeFinding, ...]
    omitted: int = 0
    code: str = ""


class ArtifactType(StrEnum):
    """What a fingerprint is about."""

    CODE = "code-generation"
    TESTS = "test-generation"


class Artifact(Message):
    """An artifact, its maker and its inputs: the content of a fingerprint."""

    content: str
    agent: str
    inputs: Mapping[str, str]
    type: ArtifactType | None = None


class Fingerprint(Message):
    """The provenance of an artifact: ``sha256`` is the hex digest of its UTF-8 content.

    ``envelope`` has the signed statement; a bare fingerprint has none. ``type`` is absent in
    fingerprints of earlier versions.
    """

    sha256: str
    agent: str
    inputs: Mapping[str, str]
    type: ArtifactType | None = None
    envelope: SignedEnvelope | None = None


class CodeGenerationResult(Message):
    """The result of the run."""

    code: str
    language: str
    model: str
    fingerprint: Fingerprint | None
    """Absent if it could not be created and the worker's settings do not require one."""
    checked: tuple[str, ...] = ()
    """The checks that the code passed: ``compile``, ``ruff``, and ``tests`` if tests ran."""
    validation: CheckReport | None = None
    rounds: tuple[Round, ...] = ()
    """The earlier versions, which did not pass."""
