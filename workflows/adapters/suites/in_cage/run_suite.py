"""Run the tests beside this script; write one JSON object a line to standard output.

``{"begin": test}`` and ``{"test": …}`` when a test begins and ends, ``{"end": …}`` after all tests;
without the last, the run was killed. The output of the tests goes to standard error.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import coverage
import pytest

_MAX_MESSAGE = 2000
"""Characters of a failure's text, from its end."""
_MAX_MISSING = 2000
"""Maximum number of lines that are listed as not covered."""


class OutcomeReporter:
    """A pytest plugin that reports the outcome of each test."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._process = os.getpid()

    def report(self, answer: dict[str, Any]) -> None:
        """Write one line immediately; a fork of this process writes nothing."""
        if os.getpid() == self._process:
            os.write(self._answers, json.dumps(answer).encode() + b"\n")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Report the beginning of a test."""
        self.report({"begin": nodeid})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report the outcome of a test; of its setup and teardown only if they failed."""
        if report.when == "call" or report.outcome != "passed":
            self._report_test(
                report, error=report.when != "call" and report.outcome == "failed"
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Report a failed collection."""
        if report.outcome == "failed":
            self._report_test(report, error=True)

    def pytest_exception_interact(self, call: pytest.CallInfo[object]) -> None:
        """Report separately that memory ran out."""
        if call.excinfo is not None and call.excinfo.errisinstance(MemoryError):
            self.report({"memory": True})

    def _report_test(
        self, report: pytest.TestReport | pytest.CollectReport, *, error: bool
    ) -> None:
        text = report.longreprtext
        self.report(
            {
                "test": report.nodeid,
                "outcome": "error" if error else report.outcome,
                "message": text[-_MAX_MESSAGE:] if report.outcome == "failed" else "",
            }
        )


def main() -> None:
    """Run the tests under coverage."""
    recorder = OutcomeReporter(os.dup(1))
    os.dup2(2, 1)
    work = Path.cwd()
    sys.path.insert(0, str(work))
    tests = work / "test_generated.py"
    if b"hypothesis" in tests.read_bytes():
        _set_up_hypothesis()
    code = work / "generated.py"
    measured = coverage.Coverage(
        branch=True, include=[str(code)], data_file=None, config_file=False
    )
    arguments = [
        *sys.argv[1:],
        "-q",
        "-s",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(work),
    ]
    # Other installed plugins must not change the report.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    measured.start()
    result = pytest.main([*arguments, str(tests)], plugins=[recorder])
    measured.stop()
    recorder.report({"end": int(result), **_coverage(measured, code)})


def _set_up_hypothesis() -> None:
    import hypothesis  # noqa: PLC0415 - slow to import, and most tests do not use it

    hypothesis.settings.register_profile(
        "qtest",
        database=None,
        deadline=None,
        derandomize=True,
        max_examples=50,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("qtest")


def _coverage(measured: coverage.Coverage, code: Path) -> dict[str, Any]:
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        try:
            percent = measured.report(file=nowhere)
            _, _, _, missing, _ = measured.analysis2(str(code))
        except coverage.CoverageException:
            return {"coverage": None, "missing": []}  # the code was never imported
    return {"coverage": round(percent / 100, 4), "missing": missing[:_MAX_MISSING]}


if __name__ == "__main__":
    main()
