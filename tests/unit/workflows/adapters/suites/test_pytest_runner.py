"""Suites are run: counted, covered, told."""

from tests.unit.workflows.adapters.suites.builders import run
from workflows.messages.suites import SuiteOutcome


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
    assert 50 < report.coverage < 85
    assert not report.covers_enough
    assert report.missing == (4,)
    assert [case.name.partition("::")[2] for case in report.cases] == [
        "test_wrong",
        "test_broken",
    ]
    assert "assert 1 == 3" in report.cases[0].message
    assert "hello" in report.output
    assert "network namespace" in report.contained


async def test_without_tests_nothing_passes() -> None:
    assert (await run("x = 1\n", "y = 1\n")).outcome is SuiteOutcome.NO_TESTS


async def test_what_cannot_be_imported_fails() -> None:
    report = await run("import nowhere_to_be_found\n")
    assert (report.outcome, report.errors) == (SuiteOutcome.FAILED, 1)
