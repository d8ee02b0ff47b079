"""Tests of code must assert results, notice when the code is changed, and cover it."""

import asyncio
from typing import Any

import pytest
from typing_extensions import override

from workflows.adapters.recipes.folder import builtin
from workflows.adapters.recipes.phrases import Prompt
from workflows.adapters.recipes.recipe import Recipe
from workflows.adapters.suites.judge import SuiteJudge
from workflows.adapters.suites.mutants import mutants
from workflows.adapters.suites.reading import asserts_results, estimated_coverage
from workflows.adapters.suites.tester import SuiteTester
from workflows.errors import UncontainedError
from workflows.messages.code_generation import CheckReport
from workflows.messages.suites import (
    CaseResult,
    CoveragePolicy,
    SuiteOutcome,
    SuiteReport,
    SuiteRun,
)
from workflows.messages.verdicts import findings_of, with_suite

CODE = "def double(x: int) -> int:\n    return 2 * x\n"
GOOD = "from generated import double\n\ndef test_it():\n    assert double(3) == 6\n"


def passes(code: str, tests: str) -> bool:
    namespace: dict[str, Any] = {}
    try:
        exec(code + "\n" + tests.replace("from generated import double\n", ""), namespace)
        for name, test in list(namespace.items()):
            if not name.startswith("test_"):
                continue
            arguments: list[tuple[Any, ...]] = [
                (argument,)
                for mark in getattr(test, "pytestmark", [])
                for argument in mark.args[1]
            ]
            for given in arguments or [()]:
                test(*given)
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 - whatever the code does
        return False
    return True


class InProcess:
    """Runs tests in this process: what contains them is tested elsewhere."""

    def __init__(self, *, seconds: float = 0.1, coverage: float | None = 1.0) -> None:
        self.runs: list[SuiteRun] = []
        self._seconds = seconds
        self._coverage = coverage

    async def run(self, run: SuiteRun) -> SuiteReport:
        self.runs.append(run)
        if passes(run.code, run.tests):
            return SuiteReport(
                outcome=SuiteOutcome.PASSED,
                seconds=self._seconds,
                coverage=self._coverage,
                target_coverage=run.target_coverage,
            )
        case = CaseResult(name="test_it", outcome="failed", message="assert 5 == 6")
        return SuiteReport(outcome=SuiteOutcome.FAILED, cases=(case,))

    async def clean_up(self, key: str) -> tuple[str, ...]:
        raise AssertionError(key)


class NoCage(InProcess):
    @override
    async def run(self, run: SuiteRun) -> SuiteReport:
        raise UncontainedError(run.key)


class Endless(InProcess):
    """Changed code never ends."""

    @override
    async def run(self, run: SuiteRun) -> SuiteReport:
        if run.stop_early:
            self.runs.append(run)
            return SuiteReport(outcome=SuiteOutcome.TIMED_OUT)
        return await super().run(run)


def suite(code: str = CODE, tests: str = GOOD, **asked: Any) -> SuiteRun:
    return SuiteRun(key="k", code=code, tests=tests, **asked)


async def judged(
    code: str, tests: str, runner: InProcess | None = None, **asked: Any
) -> SuiteReport:
    return await SuiteJudge(runner or InProcess()).run(suite(code, tests, **asked))


async def test_good_tests_pass_and_notice_a_change() -> None:
    runner = InProcess()
    report = await judged(CODE, GOOD, runner)
    assert report.ok
    assert findings_of(report) == ()
    assert [run.code == CODE for run in runner.runs] == [True, False]


@pytest.mark.parametrize(
    ("code", "tests", "outcome", "finding"),
    [
        (CODE.replace("2 *", "3 *"), GOOD, "failed", "test_it: assert 5 == 6"),
        (CODE, GOOD.replace("assert double(3) == 6", "double(3)"), "no-assertion", "no test"),
        (CODE, GOOD.replace("assert double(3) == 6", "assert True"), "no-assertion", "no test"),
        (CODE, GOOD.replace("double(3) == 6", "callable(double)"), "not-noticed", "the tests"),
        (
            "def double(x):\n    pass\n",
            GOOD.replace("double(3) == 6", "double(3) is None"),
            "not-noticed",
            "the tests",
        ),
    ],
)
async def test_bad_tests_or_code_are_found(
    code: str, tests: str, outcome: str, finding: str
) -> None:
    report = await judged(code, tests)
    assert (report.ok, report.outcome) == (False, outcome)
    [found] = findings_of(report)
    assert (found.check, found.rule) == ("tests", outcome)
    assert found.message.startswith(finding)


async def test_tests_of_another_kind_assert_too() -> None:
    tests = (
        "import unittest\nfrom generated import double\nclass TestIt(unittest.TestCase):\n"
        "    def test_it(self):\n        self.assertEqual(double(3), 6)\n"
    )
    assert asserts_results(tests)
    assert not asserts_results(tests.replace("double(3), 6", "6, 6"))
    assert not asserts_results("def f(:")


async def test_a_change_with_which_tests_do_not_end_is_noticed_if_they_had_the_time() -> None:
    quick, slow = Endless(seconds=1), Endless(seconds=500)
    assert (await judged(CODE, GOOD, quick)).ok
    assert (await judged(CODE, GOOD, slow)).outcome is SuiteOutcome.NOT_NOTICED
    assert [run.seconds for run in (*quick.runs[1:], *slow.runs[1:])] == [30, 240]


@pytest.mark.parametrize(
    ("coverage", "asked", "worker", "passes"),
    [
        (0.8, "warn", "fail", True),
        (0.8, None, "warn", True),
        (0.8, "fail", "warn", False),
        (0.8, None, "fail", False),
        (None, None, "fail", False),
        (0.85, "fail", "fail", True),
    ],
)
async def test_low_coverage_fails_if_the_request_or_else_the_worker_says_so(
    coverage: float | None, asked: str | None, worker: str, *, passes: bool
) -> None:
    judge = SuiteJudge(InProcess(coverage=coverage), coverage=CoveragePolicy(worker))
    report = await judge.run(suite(coverage_policy=asked))
    assert report.ok is passes
    if not passes:
        assert report.outcome is SuiteOutcome.LOW_COVERAGE
        assert "0.85 was wanted" in report.reason


async def test_what_cannot_be_tested_is_not_called_tested() -> None:
    report = await SuiteTester(NoCage()).test(suite())
    assert (report.outcome, report.ok) == (SuiteOutcome.NOT_RUN, False)
    checked = with_suite(CheckReport(checks=("compile",)), report)
    assert checked.passed
    assert not checked.tested


async def test_the_same_code_and_tests_run_once() -> None:
    runner = InProcess()
    tester = SuiteTester(runner)
    first = suite()
    again = first.model_copy(update={"key": "b"})
    reports = await asyncio.gather(tester.test(first), tester.test(again))
    assert reports[0] == reports[1]
    assert {run.key for run in runner.runs} == {"k"}
    assert not (await tester.test(suite(CODE.replace("2 *", "3 *")))).ok


@pytest.mark.parametrize("recipe", builtin(), ids=lambda recipe: recipe.name)
def test_the_tests_of_every_recipe_notice_a_change(recipe: Recipe) -> None:
    values = recipe.read(Prompt(recipe.example))
    assert values is not None
    code, tests = recipe.write(None, values), recipe.write_tests(None, values)
    assert asserts_results(tests)
    assert not passes(next(mutants(code, 1)), tests)


def test_a_mutant_has_one_change() -> None:
    code = "def f(a, b):\n    if a < b and b > 0:\n        return a + b\n"
    assert list(mutants(code, 5)) == [
        "def f(a, b):\n    if a < b and b > 0:\n        return None",
        "def f(a, b):\n    if a < b or b > 0:\n        return a + b",
        "def f(a, b):\n    if a >= b and b > 0:\n        return a + b",
        "def f(a, b):\n    if a < b and b <= 0:\n        return a + b",
        "def f(a, b):\n    if a < b and b > 0:\n        return a - b",
    ]
    assert list(mutants("x = 1\n", 3)) == []


def test_code_without_results_is_changed_to_do_nothing() -> None:
    assert list(mutants("def f(a):\n    print(a)\n", 3)) == ["def f(a):\n    pass"]


@pytest.mark.parametrize(
    ("tests", "estimated"),
    [
        ("from generated import top\ndef test(): assert top(1)\n", 1.0),
        ("import generated\ndef test(): assert generated.inner(1)\n", 0.6667),
        ("def test(): assert 1\n", 0.5),
        ("def test(:", None),
    ],
)
def test_coverage_is_estimated_by_the_names_that_tests_use(
    tests: str, estimated: float | None
) -> None:
    code = "X = 1\ndef inner(a):\n    return a\ndef top(a):\n    b = inner(a)\n    return b\n"
    assert estimated_coverage(code, tests) == estimated
