"""Tests are written by the ghostwriter, which imports the code in the cage alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.workflows.adapters.suites.builders import LIMITS
from workflows.adapters.containment import Containment
from workflows.adapters.recipes.folder import builtin
from workflows.adapters.suites.generator import CheckedSuites
from workflows.adapters.suites.ghostwriter import GhostwriterSuites
from workflows.adapters.suites.judge import SuiteJudge
from workflows.adapters.suites.pytest_runner import PytestRunner
from workflows.errors import SuiteNotWrittenError
from workflows.messages.suites import SuiteOutcome, SuiteRequest, SuiteRun

pytestmark = pytest.mark.slow

PATIENT = replace(LIMITS, seconds=120, cpu=120)


async def test_the_ghostwriter_writes_tests_that_cover() -> None:
    recipe = next(recipe for recipe in builtin() if recipe.name == "binary_search")
    code = recipe.write(None, {})
    cages = Containment(limits=PATIENT)
    suite = await GhostwriterSuites(cages).generate(SuiteRequest(code=code))
    assert suite.generator.startswith("hypothesis-ghostwriter/")
    report = await SuiteJudge(PytestRunner(cages)).run(
        SuiteRun(key="k", code=code, tests=suite.code)
    )
    assert report.ok, "it asserts results, and notices a change"
    assert report.covers_enough


async def test_the_ghostwriter_finds_what_breaks() -> None:
    code = "def share(total: int, among: int) -> float:\n    return total / among\n"
    cages = Containment(limits=PATIENT)
    suite = await GhostwriterSuites(cages).generate(SuiteRequest(code=code))
    report = await PytestRunner(cages).run(SuiteRun(key="k", code=code, tests=suite.code))
    assert (report.outcome, report.failed) == (SuiteOutcome.FAILED, 1)
    assert "ZeroDivisionError" in report.cases[0].message


async def test_results_without_a_type_cannot_be_asserted() -> None:
    code = "def share(total: int):\n    return total\n"
    ghostwriter = GhostwriterSuites(Containment(limits=PATIENT))
    with pytest.raises(SuiteNotWrittenError, match="assert no result of the code"):
        await CheckedSuites(ghostwriter).generate(SuiteRequest(code=code))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def f(x):\n    return x\n", "f has a parameter without a type"),
        ("raise RuntimeError('on import')\n", "on import"),
        ("import os\nos._exit(0)\n", "cannot be imported"),
    ],
)
async def test_code_for_which_no_tests_can_be_written(code: str, reason: str) -> None:
    with pytest.raises(SuiteNotWrittenError, match=reason):
        await GhostwriterSuites(Containment(limits=PATIENT)).generate(SuiteRequest(code=code))


async def test_the_code_is_imported_in_the_cage_alone(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    code = f"open({str(trace)!r}, 'w')\ndef f(x: int) -> int:\n    return x\n"
    with pytest.raises(SuiteNotWrittenError, match="No such file"):
        await GhostwriterSuites(Containment(limits=PATIENT)).generate(SuiteRequest(code=code))
    assert not trace.exists()
