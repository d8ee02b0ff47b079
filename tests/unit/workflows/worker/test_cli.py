"""The command is quick to say what it can do, and says nothing on standard output."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]


def python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_help_needs_nothing_heavy() -> None:
    finished = python(
        "import sys, workflows.worker.cli\n"
        "print({'temporalio', 'pydantic', 'asyncpg', 'structlog'} & set(sys.modules))"
    )
    assert finished.stdout == "set()\n"


def test_a_missing_setting_is_a_usage_error() -> None:
    finished = python(
        "import sys, workflows.worker.cli\nsys.argv = ['ntbridge-worker']\nworkflows.worker.cli.main()"
    )
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert "--database-url or DATABASE_URL" in finished.stderr


def test_an_unknown_flag_is_a_usage_error() -> None:
    finished = python(
        "import sys, workflows.worker.cli\n"
        "sys.argv = ['ntbridge-worker', '--modlues', 'x']\nworkflows.worker.cli.main()"
    )
    assert finished.returncode != 0
    assert finished.stdout == ""
