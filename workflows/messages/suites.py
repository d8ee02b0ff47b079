"""The messages of QTest.

No name begins with Test: pytest would take it for a test.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from workflows.messages.message import Message
from workflows.messages.usage import Usage

MODULE = "generated"
"""The module name of the code; its tests import it."""


def _as_fraction(given: object) -> object:
    """Read a percentage, as earlier versions wrote it, as a fraction."""
    percentage = isinstance(given, int | float) and 1 < given <= 100  # noqa: PLR2004 - percent
    return round(given / 100, 6) if percentage else given  # type: ignore[operator]  # a number


Fraction = Annotated[float, BeforeValidator(_as_fraction), Field(ge=0, le=1)]
"""A number from 0 to 1. A larger one, up to 100, is a percentage of an earlier version."""

TARGET_COVERAGE = 0.85
"""The fraction of the code's lines and branches that generated tests should reach."""


class CoveragePolicy(StrEnum):
    """What follows if tests reach less than the target coverage."""

    WARN = "warn"
    FAIL = "fail"


class RejectedCode(Message):
    """Code that did not pass its checks; ``problems`` says why, a line each.

    ``tests`` are the tests that were run, if any.
    """

    code: str
    tests: str | None = None
    problems: tuple[str, ...]


class SuiteRequest(Message):
    """Code that needs tests, with the prompt for which it was generated.

    If ``author`` wrote ``tests`` with the code, no others are generated. Without a
    ``coverage_policy``, that of the worker applies. ``rejected`` is the version of code and tests
    before this one, if that did not pass.
    """

    code: str
    language: str = "python"
    prompt: str | None = None
    target_coverage: Fraction = TARGET_COVERAGE
    coverage_policy: CoveragePolicy | None = None
    tests: str | None = None
    author: str | None = None
    rejected: RejectedCode | None = None


class GeneratedSuite(Message):
    """A test module that imports the code from the module ``generated``.

    ``generator`` names the language model, or the ghostwriter with its version.
    ``estimated_coverage`` is the fraction of the code that the tests can reach, by the names
    that they use; absent if it cannot be estimated.
    """

    code: str
    language: str
    generator: str
    usage: Usage | None = None
    """What the answer of the language model cost."""
    target_coverage: Fraction = TARGET_COVERAGE
    estimated_coverage: Fraction | None = None


class SuiteRun(Message):
    """Code and its tests.

    ``key`` is the effect key of the run; it identifies files that a killed worker left. Without
    a ``coverage_policy``, that of the worker applies. ``stop_early``: the first failure is enough.
    ``seconds`` is a shorter timeout than that of the worker.
    """

    key: str
    code: str
    tests: str
    language: str = "python"
    target_coverage: Fraction = TARGET_COVERAGE
    coverage_policy: CoveragePolicy | None = None
    stop_early: bool = False
    seconds: float | None = None


class SuiteOutcome(StrEnum):
    """How an execution ended."""

    PASSED = "passed"
    FAILED = "failed"
    """Tests failed, or could not be collected."""
    NO_TESTS = "no-tests"
    NO_ASSERTION = "no-assertion"
    """No test asserts a result of the code; the tests were not run."""
    NOT_NOTICED = "not-noticed"
    """The tests pass, but also when the code is changed."""
    LOW_COVERAGE = "low-coverage"
    """The tests pass, but do not reach the target coverage, and the policy is ``fail``."""
    NOT_RUN = "not-run"
    """The tests cannot run on this machine."""
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    KILLED = "killed"
    """Killed by a signal or by another limit: processes, CPU time, file size."""


class CaseResult(Message):
    """One test and its outcome; ``message`` is the end of a failed test's output."""

    name: str
    outcome: str
    message: str = ""

    @property
    def unpassed(self) -> bool:
        """Whether the test failed, or could not run."""
        return self.outcome in {"failed", "error"}


class SuiteReport(Message):
    """The result of the execution.

    ``coverage`` is a fraction, absent if it could not be measured; ``missing`` the lines that
    no test reached; ``cases`` the tests, those that did not pass first; ``omitted`` how many
    others there are; ``output`` the end of the output; ``contained`` the containment of the code.
    """

    outcome: SuiteOutcome
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    coverage: Fraction | None = None
    target_coverage: Fraction = TARGET_COVERAGE
    missing: tuple[int, ...] = ()
    cases: tuple[CaseResult, ...] = ()
    omitted: int = 0
    reason: str = ""
    output: str = ""
    seconds: float = 0.0
    contained: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether tests ran, all passed, and they are good enough."""
        return self.outcome is SuiteOutcome.PASSED

    @property
    def unpassed(self) -> tuple[CaseResult, ...]:
        """The tests that did not pass."""
        return tuple(case for case in self.cases if case.unpassed)

    @property
    def covers_enough(self) -> bool:
        """Whether the target coverage was reached."""
        return self.coverage is not None and self.coverage >= self.target_coverage
