"""Runs tests with pytest in containment and reports the result."""

import asyncio
import sys
import time
from importlib.resources import files
from typing import Any

import msgspec

from workflows.adapters.containment import Caged, Containment
from workflows.errors import ToolMissingError
from workflows.messages.suites import MODULE, CaseResult, SuiteOutcome, SuiteReport, SuiteRun

_SCRIPT = "run_suite.py"
_SHOWN = 4000
"""Maximum characters of the output in the report, from its end."""
_MAX_CASES = 500
"""Maximum number of tests that are listed."""
_MAX_MESSAGES = 50
"""Maximum number of tests that are listed with their output."""
_MAX_NAME = 200
"""Maximum characters of a test's name in the list."""
_ENDS = {
    0: (SuiteOutcome.PASSED, ""),
    5: (SuiteOutcome.NO_TESTS, "the suite has no test"),
}
"""The outcomes of pytest's exit codes; all others are failures."""


class PytestRunner:
    """A ``SuiteRunner`` for Python.

    Args:
        containment: Runs the code.
        at_once: Limit of concurrent suites.
    """

    def __init__(self, containment: Containment, *, at_once: int = 2) -> None:
        self._containment = containment
        self._slots = asyncio.Semaphore(at_once)

    async def run(self, run: SuiteRun) -> SuiteReport:
        """Run the tests."""
        if run.language != "python":
            raise ToolMissingError(f"no test runner exists for {run.language}")
        async with self._slots:
            began = time.monotonic()
            try:
                async with asyncio.timeout(run.seconds):
                    caged = await self._run(run)
            except TimeoutError:
                return SuiteReport(
                    outcome=SuiteOutcome.TIMED_OUT,
                    target_coverage=run.target_coverage,
                    reason=f"the tests did not end within {run.seconds:g} s",
                )
            seconds = time.monotonic() - began
        return _report(caged, run, seconds, self._containment.limits.seconds)

    async def _run(self, run: SuiteRun) -> Caged:
        script = files("workflows.adapters.suites.in_cage").joinpath(_SCRIPT).read_text()
        return await self._containment.run(
            [
                *(sys.executable, f"{{work}}/{_SCRIPT}"),
                *(["--exitfirst"] if run.stop_early else []),
            ],
            files={
                _SCRIPT: script,
                f"{MODULE}.py": run.code,
                f"test_{MODULE}.py": run.tests,
            },
            key=run.key,
        )

    async def clean_up(self, key: str) -> tuple[str, ...]:
        """Remove folders that a killed worker left; a cage with its own root leaves none."""
        return await asyncio.to_thread(self._containment.clean_up, key)


def _report(caged: Caged, run: SuiteRun, seconds: float, limit: float) -> SuiteReport:
    answers = _answers(caged.finished.stdout)
    tests = [answer for answer in answers if "test" in answer]
    end = next((answer for answer in answers if "end" in answer), None)
    outcome, reason = _outcome(caged, answers, end, limit)
    count = {
        kind: sum(1 for test in tests if test.get("outcome") == kind)
        for kind in ("passed", "failed", "error", "skipped")
    }
    return SuiteReport(
        outcome=outcome,
        reason=reason,
        passed=count["passed"],
        failed=count["failed"],
        errors=count["error"],
        skipped=count["skipped"],
        coverage=end.get("coverage") if end else None,
        missing=tuple(end.get("missing") or ()) if end else (),
        target_coverage=run.target_coverage,
        cases=_cases(tests),
        omitted=max(len(tests) - _MAX_CASES, 0),
        output=caged.finished.stderr[-_SHOWN:].decode(errors="replace"),
        seconds=round(seconds, 3),
        contained=caged.held,
    )


def _cases(tests: list[dict[str, Any]]) -> tuple[CaseResult, ...]:
    """Return the tests, those that did not pass first, with their output as far as it fits."""
    cases = [
        CaseResult(
            name=str(test["test"])[:_MAX_NAME],
            outcome=str(test.get("outcome")),
            message=str(test.get("message", "")),
        )
        for test in tests
    ]
    cases.sort(key=lambda case: not case.unpassed)
    return (
        *cases[:_MAX_MESSAGES],
        *(case.model_copy(update={"message": ""}) for case in cases[_MAX_MESSAGES:_MAX_CASES]),
    )


def _answers(stdout: bytes) -> list[dict[str, Any]]:
    """Return the script's report; ignore other lines, which the code may have written."""
    answers = []
    for line in stdout.splitlines():
        try:
            answer = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue  # incomplete, or not from the script
        if isinstance(answer, dict):
            answers.append(answer)
    return answers


def _outcome(
    caged: Caged,
    answers: list[dict[str, Any]],
    end: dict[str, Any] | None,
    limit: float,
) -> tuple[SuiteOutcome, str]:
    last = answers[-1].get("begin") if answers else None
    place = f" in {last}" if last else ""
    finished = caged.finished
    if finished.timed_out:
        return SuiteOutcome.TIMED_OUT, f"the tests did not end within {limit:g} s{place}"
    if finished.flooded:
        return SuiteOutcome.KILLED, f"the tests printed too much{place}"
    if caged.exceeded:
        memory = "memory" in caged.exceeded
        return (
            SuiteOutcome.OUT_OF_MEMORY if memory else SuiteOutcome.KILLED,
            f"{caged.exceeded}{place}",
        )
    if any(answer.get("memory") for answer in answers):
        return SuiteOutcome.OUT_OF_MEMORY, "a test ran out of memory"
    if end is None:
        return (
            SuiteOutcome.KILLED,
            f"the process ended before its tests ({_end(finished.code)}){place}",
        )
    return _ENDS.get(end["end"], (SuiteOutcome.FAILED, "tests failed"))


def _end(code: int) -> str:
    signalled = code - 128 if code > 128 else -code  # noqa: PLR2004 - as shells count
    if signalled > 0:
        return f"killed by signal {signalled}; possibly a limit of CPU time or memory"
    return f"exit code {code}"
