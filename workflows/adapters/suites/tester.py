"""Testing code with the tests that its author wrote, and the tests with changed code."""

import asyncio
from collections import OrderedDict
from hashlib import sha256

import structlog

from workflows.adapters.suites.mutants import asserts_results, mutants
from workflows.errors import ToolMissingError, UncontainedError
from workflows.messages.code_generation import TESTS, CodeFinding, GeneratedCode
from workflows.messages.suites import SuiteReport, SuiteRun
from workflows.ports import SuiteRunner

_MAX_MUTANTS = 3
_MAX_REMEMBERED = 1000
_MAX_MESSAGE = 500
"""Characters of a failed test's output in a finding, from its end."""
_log = structlog.get_logger(__name__)


class SuiteTester:
    """A ``CodeTester``. The same code with the same tests is tested once a process.

    Args:
        runner: Runs the tests in containment.
    """

    def __init__(self, runner: SuiteRunner) -> None:
        self._runner = runner
        self._verdicts: OrderedDict[str, tuple[CodeFinding, ...]] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()

    async def test(
        self, generated: GeneratedCode, *, key: str
    ) -> tuple[CodeFinding, ...] | None:
        """Return what the tests found, or None if there are none or they cannot run here."""
        if generated.tests is None:
            return None
        digest = sha256(f"{generated.code}\0{generated.tests}".encode()).hexdigest()
        async with self._one_at_a_time:
            if digest in self._verdicts:
                self._verdicts.move_to_end(digest)
                return self._verdicts[digest]
            try:
                verdict = await self._verdict(generated, generated.tests, key)
            except (UncontainedError, ToolMissingError) as error:
                _log.warning("generated code is not tested here", reason=str(error))
                return None
            self._verdicts[digest] = verdict
            if len(self._verdicts) > _MAX_REMEMBERED:
                self._verdicts.popitem(last=False)
            return verdict

    async def _verdict(
        self, generated: GeneratedCode, tests: str, key: str
    ) -> tuple[CodeFinding, ...]:
        if not asserts_results(tests):
            return (_finding("no-assertion", "no test asserts a result of the code"),)
        run = SuiteRun(key=key, code=generated.code, tests=tests, language=generated.language)
        report = await self._runner.run(run)
        if not report.ok:
            return _failures(report)
        changed = 0
        for mutant in mutants(generated.code, _MAX_MUTANTS):
            changed += 1
            if not (await self._runner.run(run.model_copy(update={"code": mutant}))).ok:
                return ()
        if changed == 0:
            return ()
        return (
            _finding(
                "not-noticed",
                f"the tests pass although the code was changed in {changed} ways, one at a time",
            ),
        )


def _failures(report: SuiteReport) -> tuple[CodeFinding, ...]:
    if not report.cases:
        return (_finding(str(report.outcome), report.reason),)
    return tuple(
        _finding(case.outcome, f"{case.name}: {case.message[-_MAX_MESSAGE:]}")
        for case in report.cases
    )


def _finding(rule: str, message: str) -> CodeFinding:
    return CodeFinding(check=TESTS, rule=rule, message=message)
