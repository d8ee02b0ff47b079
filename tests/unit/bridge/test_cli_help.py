"""Help and version are quick: they load no client of any server."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import bridge
from bridge.devstack.environment import scrubbed

HEAVY = ("temporalio", "nats", "asyncpg")
COMMANDS = (
    "dev",
    "run",
    "migrate",
    "events",
    "events publish",
    "events tail",
    "events explain",
    "results",
    "results watch",
    "routes",
    "routes ls",
    "routes lint",
    "routes test",
    "routes explain",
    "routes graph",
    "routes schema",
    "replay",
    "dead-letters",
    "dead-letters ls",
    "dead-letters show",
    "dead-letters redrive",
    "dead-letters drop",
    "doctor",
)

Answer = subprocess.CompletedProcess[str]


def ntbridge(line: str) -> Answer:
    """Run a command; standard error lists what it imports."""
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bridge", *line.split()],
        env={**scrubbed(), "PYTHONPATH": str(Path(bridge.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def imported(answer: Answer) -> set[str]:
    return {line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()}


@pytest.fixture(scope="module")
def help_of() -> Iterator[Callable[[str], Answer]]:
    """Asks all commands for help side by side."""
    with ThreadPoolExecutor() as pool:
        running = {name: pool.submit(ntbridge, f"{name} --help") for name in COMMANDS}
        yield lambda name: running[name].result()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(help_of: Callable[[str], Answer], command: str) -> None:
    answer = help_of(command)
    assert answer.returncode == 0
    assert f"Usage: ntbridge {command}" in answer.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_loads_no_client(
    help_of: Callable[[str], Answer], command: str
) -> None:
    assert not imported(help_of(command)) & set(HEAVY)


@pytest.mark.parametrize("line", ["", "--help", "--version"])
def test_help_of_the_whole_loads_no_client(line: str) -> None:
    answer = ntbridge(line)
    assert answer.returncode == 0
    assert answer.stdout
    assert "bridge.cli.main" in imported(answer)
    assert not imported(answer) & set(HEAVY)
