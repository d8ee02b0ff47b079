"""Run the tests beside this script, and answer on standard output with one JSON object a line.

``{"begin": test}`` and ``{"test": …}`` as tests begin and end, ``{"end": …}`` when all have; what
never gets that far was killed. Everything that the tests print goes to standard error.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import coverage
import hypothesis
import pytest

_TELLING = 2000
"""Characters of a failure's text, from its end."""


class OutcomeReporter:
    """A pytest plugin that tells what becomes of each test."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._process = os.getpid()

    def tell(self, answer: dict[str, Any]) -> None:
        """Write one line, at once; a fork of this process keeps silent."""
        if os.getpid() == self._process:
            os.write(self._answers, json.dumps(answer).encode() + b"\n")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell that a test begins."""
        self.tell({"begin": nodeid})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell how a test ended; its preparation and its cleaning up only if they failed."""
        if report.when == "call" or report.outcome != "passed":
            self._tell(report, error=report.when != "call" and report.outcome == "failed")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell what could not be collected."""
        if report.outcome == "failed":
            self._tell(report, error=True)

    def pytest_exception_interact(self, call: pytest.CallInfo[object]) -> None:
        """Tell when memory ran out, which is no ordinary failure."""
        if call.excinfo is not None and call.excinfo.errisinstance(MemoryError):
            self.tell({"memory": True})

    def _tell(self, report: pytest.TestReport | pytest.CollectReport, *, error: bool) -> None:
        text = report.longreprtext
        self.tell(
            {
                "test": report.nodeid,
                "outcome": "error" if error else report.outcome,
                "message": text[-_TELLING:] if report.outcome == "failed" else "",
            }
        )


def main() -> None:
    """Run the tests under coverage."""
    recorder = OutcomeReporter(os.dup(1))
    os.dup2(2, 1)
    work = Path.cwd()
    sys.path.insert(0, str(work))
    hypothesis.settings.register_profile(
        "qtest",
        database=None,
        deadline=None,
        derandomize=True,
        max_examples=50,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("qtest")
    code = work / "generated.py"
    measured = coverage.Coverage(
        branch=True, include=[str(code)], data_file=None, config_file=False
    )
    arguments = ["-q", "-s", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(work)]
    # Whatever else is installed, the same tests get the same report.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    measured.start()
    result = pytest.main([*arguments, str(work / "test_generated.py")], plugins=[recorder])
    measured.stop()
    recorder.tell({"end": int(result), **_coverage(measured, code)})


def _coverage(measured: coverage.Coverage, code: Path) -> dict[str, Any]:
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        try:
            percent = measured.report(file=nowhere)
            _, _, _, missing, _ = measured.analysis2(str(code))
        except coverage.CoverageException:
            return {"coverage": None, "missing": []}  # the code was never imported
    return {"coverage": round(percent, 2), "missing": missing}


if __name__ == "__main__":
    main()
