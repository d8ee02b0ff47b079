"""Runs pytest; what failed on the busy machine runs once more, alone.

A test that waits for a server shares two cores with two others and may be starved. What fails twice is a failure. What
passes the second time is named at the end, since it has a limit that is too tight, or a race: mend it. More
than `MOST` failures, or an error of pytest itself, are never tried again.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

MOST: Final = 5


class Outcomes:
    """Collects the names of failed tests, as a plugin of pytest."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a failure, in the test or around it."""
        if report.failed and report.nodeid not in self.failed:
            self.failed.append(report.nodeid)


def main(arguments: Sequence[str]) -> int:
    """Run pytest with these arguments, and the failed tests again; return the exit code."""
    first = Outcomes()
    code = pytest.main([*arguments], plugins=[first])
    if code != pytest.ExitCode.TESTS_FAILED or len(first.failed) > MOST:
        return int(code)
    _say(f"{len(first.failed)} failed. Once more, alone:", first.failed)
    # In a process of its own: this one has imported and patched what the first run needed.
    again = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:xdist", *first.failed],
        cwd=Path(__file__).parents[2],
        check=False,
    )
    if again.returncode == 0:
        _say(
            "Failed among others and passed alone (too tight a limit, or a race):", first.failed
        )
    return again.returncode


def _say(what: str, names: Sequence[str]) -> None:
    sys.stdout.write("\n".join(["", what, *(f"  {name}" for name in names), ""]))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
