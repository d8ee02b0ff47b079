"""The plugin that tells which files of tests take the processor."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processor_time import Clock, seconds_of_all

pytestmark = pytest.mark.slow


def test_children_count_also_when_they_have_ended() -> None:
    before = seconds_of_all()
    subprocess.run([sys.executable, "-c", "sum(range(10**7))"], check=True)
    assert seconds_of_all() > before


def test_seconds_count_for_the_file_that_ran() -> None:
    clock = Clock()
    clock.turn_to("a.py")
    sum(range(10**7))
    clock.turn_to("b.py")
    clock.turn_to("(ending)")
    assert clock.found["a.py"] > clock.found["b.py"] >= 0


def test_a_run_shows_its_files(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it():\n    assert sum(range(10**6))\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "tests.support.processor_time"),
            str(tmp_path),
        ],
        capture_output=True,
        check=False,
        text=True,
    )
    assert "test_it.py" in done.stdout.partition("processor time")[2], done.stdout
