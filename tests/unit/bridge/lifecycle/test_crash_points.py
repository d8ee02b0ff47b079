"""The crash points: every one that is listed is in the code, and the code knows no other."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import bridge
from bridge.lifecycle.crash_points import POINTS, VARIABLE, fault

PASSING = """
import sys
from bridge.lifecycle.crash_points import fault
for name in sys.argv[1:]:
    fault(name)
    print(name, flush=True)
"""


def test_the_table_and_the_code_name_the_same_points() -> None:
    passed = []
    for file in Path(bridge.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "fault"
            ):
                passed += [
                    each.value
                    for each in ast.walk(node.args[0])
                    if isinstance(each, ast.Constant) and str(each.value) in POINTS
                ] or [ast.unparse(node)]
    assert set(passed) == set(POINTS)


def test_without_the_variable_nothing_happens() -> None:
    assert VARIABLE not in os.environ
    for name in POINTS:
        fault(name)


def passing(at: str, *names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PASSING, *names],
        env={**os.environ, VARIABLE: at},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("at", "printed"),
    [
        ("intake.acked", "intake.fetched\n"),
        ("intake.acked:2", "intake.fetched\nintake.acked\nintake.fetched\n"),
    ],
)
def test_with_it_the_process_dies_at_that_point_the_nth_time(at: str, printed: str) -> None:
    names = ["intake.fetched", "intake.acked"] * 2
    done = passing(at, *names)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, printed)


@pytest.mark.parametrize("at", ["nowhere", "intake.acked:0", ""])
def test_a_point_that_does_not_exist_is_refused_at_the_start(at: str) -> None:
    done = passing(at, "intake.acked")
    assert done.returncode == 1
    assert "names no crash point" in done.stderr
