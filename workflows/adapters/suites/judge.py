"""Runs tests and judges them: they must assert results, notice changed code and cover it.

Tests that call the code and look at nothing pass whatever the code does. So a suite passes only if
it asserts a result and, when the code is changed in a few ways, fails for one of them.
"""

from workflows.adapters.suites.mutants import mutants
from workflows.adapters.suites.reading import asserts_results
from workflows.messages.suites import CoveragePolicy, SuiteOutcome, SuiteReport, SuiteRun
from workflows.ports import SuiteRunner

_MAX_MUTANTS = 3
_MIN_SECONDS, _MAX_SECONDS = 30.0, 240.0
"""Limits of a run with changed code. With a suite of ten minutes, one fits into a step."""


class SuiteJudge:
    """A ``SuiteRunner`` whose report passes only good tests.

    Args:
        runner: Runs the tests in containment.
        coverage: What follows from low coverage if a run does not say it.
    """

    def __init__(
        self, runner: SuiteRunner, *, coverage: CoveragePolicy = CoveragePolicy.WARN
    ) -> None:
        self._runner = runner
        self._coverage = coverage

    async def run(self, run: SuiteRun) -> SuiteReport:
        """Run the tests, and run them again with changed code."""
        if run.language != "python":
            return await self._runner.run(run)
        if not asserts_results(run.tests):
            return SuiteReport(
                outcome=SuiteOutcome.NO_ASSERTION,
                target_coverage=run.target_coverage,
                reason="no test asserts a result of the code",
            )
        report = await self._runner.run(run)
        if not report.ok:
            return report
        changed = await self._unnoticed(run, report.seconds)
        if changed:
            return report.model_copy(
                update={
                    "outcome": SuiteOutcome.NOT_NOTICED,
                    "reason": f"the tests pass although the code was changed in {changed} "
                    f"{'way' if changed == 1 else 'ways, one at a time'}",
                }
            )
        policy = run.coverage_policy or self._coverage
        if policy is CoveragePolicy.FAIL and not report.covers_enough:
            reason = low_coverage(report)
            return report.model_copy(
                update={"outcome": SuiteOutcome.LOW_COVERAGE, "reason": reason}
            )
        return report

    async def clean_up(self, key: str) -> tuple[str, ...]:
        """Remove what a killed worker's tests left."""
        return await self._runner.clean_up(key)

    async def _unnoticed(self, run: SuiteRun, seconds: float) -> int:
        """Return in how many ways the code was changed without a failure; 0 if one failed.

        Code that has nothing to change counts as noticed. So does a change with which the tests
        do not end within twice their usual time.
        """
        patience = min(max(2 * seconds, _MIN_SECONDS), _MAX_SECONDS)
        limit = _MAX_MUTANTS if seconds < _MIN_SECONDS else 1
        changed = 0
        for mutant in mutants(run.code, limit):
            changed += 1
            again = run.model_copy(
                update={"code": mutant, "stop_early": True, "seconds": patience}
            )
            report = await self._runner.run(again)
            unknown = report.outcome is SuiteOutcome.TIMED_OUT and patience < 2 * seconds
            if not report.ok and not unknown:
                return 0
        return changed


def low_coverage(report: SuiteReport) -> str:
    """Return that the coverage of a report is too low, as text."""
    measured = "not measured" if report.coverage is None else f"{report.coverage:.2f}"
    lines = ", ".join(map(str, report.missing[:20]))
    missing = f" (no test reaches lines {lines})" if lines else ""
    return f"coverage is {measured}, {report.target_coverage:.2f} was wanted{missing}"
