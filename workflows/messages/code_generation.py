"""The messages of code generation, in the order of their use."""

from collections.abc import Mapping

from pydantic import Field

from workflows.messages.message import Message
from workflows.messages.patterns import Pattern
from workflows.messages.provenance import SignedEnvelope
from workflows.messages.usage import Usage

MAX_PROMPT = 16_000
"""Characters; a longer prompt is refused, not cut."""


class CodeGenerationRequest(Message):
    """The data of ``io.quantum-suite.code-generation.requested.v1``."""

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT)
    language: str = Field(default="python", min_length=1, max_length=40)


class ParsedPrompt(Message):
    """A valid prompt.

    ``text`` is normalised (NFC, no spaces at the ends of lines); ``function_name`` is the name that the prompt
    asks for, if any.
    """

    text: str
    language: str
    function_name: str | None = None


class InformedPrompt(ParsedPrompt):
    """A prompt with the patterns that the language model gets as context."""

    patterns: tuple[Pattern, ...] = ()


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


class CodeFinding(Message):
    """One fault that a check found in the code; ``line`` counts from 1."""

    check: str
    rule: str
    message: str
    line: int | None = None


TESTS = "tests"
"""The check that runs the tests of the code's author."""


class CheckReport(Message):
    """The result of the checks. Without findings, the code passed all of ``checks``.

    A check that did not run is not among them: ``tests`` is there only if tests ran.
    """

    checks: tuple[str, ...]
    findings: tuple[CodeFinding, ...] = ()

    @property
    def tested(self) -> bool:
        """Whether tests ran."""
        return TESTS in self.checks

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


class Artifact(Message):
    """An artifact, its maker and its inputs: the content of a fingerprint."""

    content: str
    agent: str
    inputs: Mapping[str, str]


class Fingerprint(Message):
    """The provenance of an artifact: ``sha256`` is the hex digest of its UTF-8 content.

    ``envelope`` has the signed statement; a bare fingerprint has none.
    """

    sha256: str
    agent: str
    inputs: Mapping[str, str]
    envelope: SignedEnvelope | None = None


class CodeGenerationResult(Message):
    """The result of the run."""

    code: str
    language: str
    model: str
    fingerprint: Fingerprint | None
    """Absent if it could not be created."""
    checked: tuple[str, ...] = ()
    """The checks that the code passed: ``compile``, ``ruff``, and ``tests`` if tests ran."""
