"""Code is tested with the tests of its author, which must notice when it is changed."""

from typing import Any

import pytest
from typing_extensions import override

from workflows.adapters.recipes.folder import builtin
from workflows.adapters.recipes.phrases import Prompt
from workflows.adapters.recipes.recipe import Recipe
from workflows.adapters.suites.mutants import asserts_results, mutants
from workflows.adapters.suites.tester import SuiteTester
from workflows.errors import UncontainedError
from workflows.messages.code_generation import GeneratedCode
from workflows.messages.suites import SuiteOutcome, SuiteReport, SuiteRun, UnpassedTest

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

    def __init__(self) -> None:
        self.runs: list[SuiteRun] = []

    async def run(self, run: SuiteRun) -> SuiteReport:
        self.runs.append(run)
        if passes(run.code, run.tests):
            return SuiteReport(outcome=SuiteOutcome.PASSED)
        case = UnpassedTest(name="test_it", outcome="failed", message="assert 5 == 6")
        return SuiteReport(outcome=SuiteOutcome.FAILED, cases=(case,))

    async def clean_up(self, key: str) -> tuple[str, ...]:
        raise AssertionError(key)


class NoCage(InProcess):
    @override
    async def run(self, run: SuiteRun) -> SuiteReport:
        raise UncontainedError(run.key)


async def found(code: str, tests: str | None, runner: InProcess) -> list[str] | None:
    generated = GeneratedCode(code=code, language="python", model="m", tests=tests)
    verdict = await SuiteTester(runner).test(generated, key="k")
    return None if verdict is None else [f"{one.rule}: {one.message}" for one in verdict]


async def test_good_tests_pass_and_notice_a_change() -> None:
    runner = InProcess()
    assert await found(CODE, GOOD, runner) == []
    assert [run.code == CODE for run in runner.runs] == [True, False]


@pytest.mark.parametrize(
    ("code", "tests", "finding"),
    [
        (CODE.replace("2 *", "3 *"), GOOD, "failed: test_it: assert 5 == 6"),
        (CODE, GOOD.replace("assert double(3) == 6", "double(3)"), "no-assertion: "),
        (CODE, GOOD.replace("assert double(3) == 6", "assert True"), "no-assertion: "),
        (CODE, GOOD.replace("double(3) == 6", "callable(double)"), "not-noticed: "),
    ],
)
async def test_bad_tests_or_code_are_found(code: str, tests: str, finding: str) -> None:
    verdict = await found(code, tests, InProcess())
    assert verdict is not None
    assert [one[: len(finding)] for one in verdict] == [finding]


async def test_what_cannot_be_tested_is_not_called_tested() -> None:
    assert await found(CODE, None, InProcess()) is None
    assert await found(CODE, GOOD, NoCage()) is None


async def test_the_same_code_and_tests_run_once() -> None:
    runner = InProcess()
    tester = SuiteTester(runner)
    generated = GeneratedCode(code=CODE, language="python", model="m", tests=GOOD)
    assert await tester.test(generated, key="a") == await tester.test(generated, key="b") == ()
    assert {run.key for run in runner.runs} == {"a"}


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
