"""Suites are run: counted, covered, told."""

from dataclasses import replace

import pytest

from tests.unit.workflows.adapters.suites.builders import LIMITS, run
from workflows.adapters.containment import Containment
from workflows.adapters.suites.pytest_runner import PytestRunner
from workflows.messages.suites import SuiteOutcome, SuiteRun

pytestmark = pytest.mark.slow


async def test_results_are_counted_and_coverage_is_measured() -> None:
    report = await run(
        "def act(x):\n    if x:\n        return 1\n    return 2\n",
        """
import pytest
def test_right(): print('hello'); assert act(1) == 1
def test_wrong(): assert act(1) == 3
@pytest.mark.skip
def test_skipped(): pass
def test_broken(missing): pass
""",
    )
    assert report.outcome is SuiteOutcome.FAILED
    counted = (report.passed, report.failed, report.errors, report.skipped)
    assert counted == (1, 1, 1, 1)
    assert report.coverage is not None
    assert 0.5 < report.coverage < 0.85
    assert not report.covers_enough
    assert report.missing == (4,)
    assert [(case.name.partition("::")[2], case.outcome) for case in report.cases] == [
        ("test_wrong", "failed"),
        ("test_broken", "error"),
        ("test_right", "passed"),
        ("test_skipped", "skipped"),
    ]
    assert report.unpassed == report.cases[:2]
    assert "assert 1 == 3" in report.cases[0].message
    assert "hello" in report.output
    assert "network namespace" in report.contained


async def test_many_tests_are_listed_within_limits_those_that_failed_first() -> None:
    report = await run(
        "def act(x):\n    return x\n",
        """
import pytest
@pytest.mark.parametrize("n", range(600))
def test_many(n): assert act(n) % 10
""",
    )
    assert (report.passed, report.failed) == (540, 60)
    assert (len(report.cases), report.omitted) == (500, 100)
    assert [case.outcome for case in report.cases] == ["failed"] * 60 + ["passed"] * 440
    assert [bool(case.message) for case in report.cases[:60]] == [True] * 50 + [False] * 10


async def test_a_run_may_end_at_the_first_failure_and_have_a_limit_of_its_own() -> None:
    runner = PytestRunner(Containment(limits=replace(LIMITS, seconds=120)))
    tests = "def test_a(): assert 0\ndef test_b(): assert 0\n"
    asked = SuiteRun(key="k", code="", tests=tests, stop_early=True)
    assert (await runner.run(asked)).failed == 1
    endless = asked.model_copy(update={"code": "while True: pass", "seconds": 3})
    endless = endless.model_copy(update={"tests": "import generated\n"})
    report = await runner.run(endless)
    assert (report.outcome, report.reason) == (
        SuiteOutcome.TIMED_OUT,
        "the tests did not end within 3 s",
    )


async def test_without_tests_nothing_passes() -> None:
    assert (await run("x = 1\n", "y = 1\n")).outcome is SuiteOutcome.NO_TESTS


async def test_what_cannot_be_imported_fails() -> None:
    report = await run("import nowhere_to_be_found\n")
    assert (report.outcome, report.errors) == (SuiteOutcome.FAILED, 1)
