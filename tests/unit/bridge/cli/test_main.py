"""Help and version are quick: they load no client of any server."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import bridge
from bridge.devstack.environment import scrubbed

pytestmark = pytest.mark.slow

HEAVY = ("temporalio", "nats", "asyncpg")
COMMANDS = (
    "dev",
    "run",
    "migrate",
    "events",
    "events publish",
    "events tail",
    "events explain",
    "events ls",
    "status",
    "explain",
    "trace",
    "pause",
    "resume",
    "completion",
    "version",
    "events export",
    "events import",
    "results",
    "results watch",
    "routes",
    "routes ls",
    "routes lint",
    "routes test",
    "routes explain",
    "routes graph",
    "routes schema",
    "sources",
    "sources ls",
    "sources counted",
    "sources test",
    "replay",
    "verify",
    "dead-letters",
    "dead-letters ls",
    "dead-letters show",
    "dead-letters redrive",
    "dead-letters drop",
    "dispatches",
    "dispatches ls",
    "dispatches show",
    "doctor",
    "approvals",
    "approvals ls",
    "approvals show",
    "approvals grant",
    "approvals deny",
    "approvals confirm",
    "pipelines",
    "pipelines ls",
)

# All in one process: what one of them loads, all later ones have loaded.
ASK_ALL = f"""
import contextlib, io, json, sys
from bridge.cli.main import app
from bridge.cli.plugins import attach

for command in json.loads(sys.argv[1]):
    out = io.StringIO()
    attach(app, command.split())
    with contextlib.redirect_stdout(out):
        app([*command.split(), "--help"], result_action="return_value")
    loaded = sorted({set(HEAVY)} & set(sys.modules))
    print(json.dumps([command, out.getvalue(), loaded]))
"""


@dataclass(frozen=True)
class Help:
    """What a command says of itself, and the clients that are loaded by then."""

    text: str
    loaded: list[str]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**scrubbed(), "PYTHONPATH": str(Path(bridge.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )


@pytest.fixture(scope="module")
def helps() -> dict[str, Help]:
    lines = python("-c", ASK_ALL, json.dumps(COMMANDS)).stdout.splitlines()
    return {command: Help(*rest) for command, *rest in map(json.loads, lines)}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(helps: dict[str, Help], command: str) -> None:
    assert f"Usage: ntbridge {command}" in helps[command].text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_loads_no_client(helps: dict[str, Help], command: str) -> None:
    assert helps[command].loaded == []


@pytest.mark.parametrize("line", ["", "--help", "--version"])
def test_help_of_the_whole_loads_no_client(line: str) -> None:
    answer = python("-X", "importtime", "-m", "bridge", *line.split())
    imported = {line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()}
    assert answer.stdout
    assert "bridge.cli.main" in imported
    assert not imported & set(HEAVY)
