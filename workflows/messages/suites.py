"""The messages of QTest.

No name begins with Test: pytest would take it for a test.
"""

from enum import StrEnum

from pydantic import Field

from workflows.messages.message import Message

MODULE = "generated"
"""What the code is called: its tests import this module."""
TARGET_COVERAGE = 85.0
"""Percent of the code's lines and branches that generated tests should reach."""


class SuiteRequest(Message):
    """Code that wants tests; ``prompt`` is what it was written for."""

    code: str
    language: str = "python"
    prompt: str | None = None
    target_coverage: float = Field(default=TARGET_COVERAGE, ge=0, le=100)


class GeneratedSuite(Message):
    """A test module that imports the code from the module ``generated``.

    ``generator`` names the language model, or the ghostwriter with its version.
    """

    code: str
    language: str
    generator: str
    target_coverage: float = TARGET_COVERAGE


class SuiteRun(Message):
    """Code and the tests to hold it against.

    ``key`` is the effect key of the run: what a killed worker leaves behind is found by it.
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
    """By a signal or another limit: processes, CPU time, file size."""


class UnpassedTest(Message):
    """One test that did not pass; ``message`` is the last lines of what it said."""

    name: str
    outcome: str
    message: str = ""


class SuiteReport(Message):
    """What the execution found.

    ``coverage`` is a percentage, absent when nothing could be measured; ``missing`` the lines
    that no test reached; ``output`` the end of what was printed; ``contained`` what held the
    code while it ran.
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
