"""The messages of QTest.

No name begins with Test: pytest would take it for a test.
"""

from enum import StrEnum

from pydantic import Field

from workflows.messages.message import Message
from workflows.messages.usage import Usage

MODULE = "generated"
"""The module name of the code; its tests import it."""
TARGET_COVERAGE = 85.0
"""Percent of the code's lines and branches that generated tests should reach."""


class SuiteRequest(Message):
    """Code that needs tests, with the prompt for which it was generated.

    If ``author`` wrote ``tests`` with the code, no others are generated.
    """

    code: str
    language: str = "python"
    prompt: str | None = None
    target_coverage: float = Field(default=TARGET_COVERAGE, ge=0, le=100)
    tests: str | None = None
    author: str | None = None


class GeneratedSuite(Message):
    """A test module that imports the code from the module ``generated``.

    ``generator`` names the language model, or the ghostwriter with its version.
    """

    code: str
    language: str
    generator: str
    target_coverage: float = TARGET_COVERAGE
    usage: Usage | None = None
    """What the answer of the language model cost."""


class SuiteRun(Message):
    """Code and its tests.

    ``key`` is the effect key of the run; it identifies files that a killed worker left.
    """

    key: str
    code: str
    tests: str
    language: str = "python"
    target_coverage: float = Field(default=TARGET_COVERAGE, ge=0, le=100)


class SuiteOutcome(StrEnum):
    """How an execution ended."""

    PASSED = "passed"
    FAILED = "failed"
    """Tests failed, or could not be collected."""
    NO_TESTS = "no-tests"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    KILLED = "killed"
    """Killed by a signal or by another limit: processes, CPU time, file size."""


class UnpassedTest(Message):
    """One test that did not pass; ``message`` is the end of its output."""

    name: str
    outcome: str
    message: str = ""


class SuiteReport(Message):
    """The result of the execution.

    ``coverage`` is a percentage, absent if it could not be measured; ``missing`` the lines that
    no test reached; ``output`` the end of the output; ``contained`` the containment of the code.
    """

    outcome: SuiteOutcome
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    coverage: float | None = None
    target_coverage: float = TARGET_COVERAGE
    missing: tuple[int, ...] = ()
    cases: tuple[UnpassedTest, ...] = ()
    reason: str = ""
    output: str = ""
    seconds: float = 0.0
    contained: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether tests ran and none of them failed."""
        return self.outcome is SuiteOutcome.PASSED

    @property
    def covers_enough(self) -> bool:
        """Whether the target coverage was reached."""
        return self.coverage is not None and self.coverage >= self.target_coverage
