"""Commands of other packages: found, given a host, and no harm to the rest when broken."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import bridge
from bridge.cli import exits, plugins
from bridge.cli.common import Connect
from bridge.cli.host import Host
from bridge.devstack.environment import scrubbed
from bridge.runtime.findings import Finding
from workflows.commands import host as protocols

GOOD = """
from typing import Annotated, Any
from cyclopts import App, Parameter

Given = Annotated[Any, Parameter(parse=False)]
app = App(name="greet", help="Greet somebody.")

@app.command
async def hello(name: str, *, loud: bool = False, host: Given) -> int:
    host.note(f"to {host.servers.temporal.address}")
    print(f"hello {name.upper() if loud else name}")
    return 7

class Refused(Exception):
    exit_code = 5

@app.command
def refuse() -> None:
    raise Refused("not today")
"""
MODULES = {
    "greeting": GOOD,
    "misnamed": "from cyclopts import App\napp = App(name='other')\n",
    "notanapp": "app = 5\n",
    "broken": "import nowhere_to_be_found\n",
    "exploding": "raise RuntimeError('first line\\n   second line')\n",
    "grabbing": "from cyclopts import App\napp = App(name='events', help='Mine now.')\n",
}
COMMANDS = {
    "greet": "greeting:app",
    "misnamed": "misnamed:app",
    "notanapp": "notanapp:app",
    "broken": "broken:app",
    "exploding": "exploding:app",
    "events": "grabbing:app",
}
LINES = (
    "greet hello you --loud --temporal-address localhost:1",
    "greet hello --nats-url nats://localhost you",
    "greet refuse",
    "greet hello",
    "greet hello you --bogus",
    "greet hello --help",
    "greet",
    "broken",
    "broken --help",
    "exploding anything --at=all",
    "misnamed",
    "notanapp",
    "events --help",
    "doctor --help",
    "nonsense",
    "--help",
)

# All in one process: reading the command line is what is tested, not starting Python.
RUN_ALL = """
import contextlib, io, json, sys
from bridge.cli import main

for line in json.loads(sys.argv[1]):
    before, out, err = set(sys.modules), io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main._run(line.split())
    loaded = sorted(set(json.loads(sys.argv[2])) & (set(sys.modules) - before))
    print(json.dumps([line, code, out.getvalue(), err.getvalue(), loaded]))
"""


@dataclass(frozen=True)
class Answer:
    """How a command line ended, what it said, and which plug-ins were loaded for it."""

    code: int
    out: str
    err: str
    loaded: list[str]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    folder = tmp_path_factory.mktemp("plugins")
    for name, source in MODULES.items():
        (folder / f"{name}.py").write_text(source)
    dist = folder / "greetings-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n")
    entries = "".join(f"{name} = {value}\n" for name, value in COMMANDS.items())
    (dist / "entry_points.txt").write_text(f"[ntbridge.commands]\n{entries}")
    root = Path(bridge.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(LINES), json.dumps(list(MODULES))],
        cwd=folder,
        env={**scrubbed(), "PYTHONPATH": os.pathsep.join((str(folder), str(root)))},
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    return {line: Answer(*rest) for line, *rest in map(json.loads, done.stdout.splitlines())}


def test_a_command_is_given_its_host_and_keeps_its_flags(answers: dict[str, Answer]) -> None:
    answer = answers["greet hello you --loud --temporal-address localhost:1"]
    assert (answer.code, answer.out) == (7, "hello YOU\n")
    assert "ntbridge: to localhost:1\n" in answer.err
    assert answer.loaded == ["greeting"]
    assert answers["greet hello --nats-url nats://localhost you"].out == "hello you\n"


def test_an_error_of_a_command_is_told_in_one_line(answers: dict[str, Answer]) -> None:
    answer = answers["greet refuse"]
    assert (answer.code, answer.err) == (5, "ntbridge: not today\n")


@pytest.mark.parametrize("line", ["greet hello", "greet hello you --bogus"])
def test_a_wrong_command_line_exits_2(answers: dict[str, Answer], line: str) -> None:
    assert answers[line].code == exits.USAGE


def test_its_help_shows_the_settings_too(answers: dict[str, Answer]) -> None:
    helped = answers["greet hello --help"].out
    assert "Usage: ntbridge greet hello" in helped
    assert "--loud" in helped
    assert "--nats-url" in helped
    assert "Usage: ntbridge greet COMMAND" in answers["greet"].out


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("broken", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("broken --help", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("exploding anything --at=all", "RuntimeError: first line second line"),
        ("misnamed", "misnamed:app has the name 'other'"),
        ("notanapp", "notanapp:app is not a cyclopts App"),
    ],
)
def test_one_that_cannot_be_loaded_says_so_in_one_line(
    answers: dict[str, Answer], line: str, reason: str
) -> None:
    name = line.split(maxsplit=1)[0]
    assert answers[line].code == exits.FAILED
    assert answers[line].err == (
        f"ntbridge: the command '{name}' of greetings cannot be loaded: {reason}\n"
    )


def test_a_missing_argument_of_a_plug_in_is_named(answers: dict[str, Answer]) -> None:
    assert answers["greet hello"].err == (
        "ntbridge: the required argument NAME is missing: see 'ntbridge greet hello --help'\n"
    )


def test_the_list_shows_all_and_says_what_is_broken(answers: dict[str, Answer]) -> None:
    listed = answers["--help"].out
    assert answers["--help"].code == exits.OK
    assert "Greet somebody." in listed
    assert "doctor" in listed
    assert "cannot be loaded" in listed


def test_what_is_not_asked_for_is_not_loaded(answers: dict[str, Answer]) -> None:
    assert answers["doctor --help"].loaded == []


def test_a_name_that_is_taken_stays_what_it_is(answers: dict[str, Answer]) -> None:
    assert "Publish, list and follow domain events." in answers["events --help"].out
    assert answers["events --help"].loaded == []


def test_an_unknown_command_is_told(answers: dict[str, Answer]) -> None:
    assert answers["nonsense"].code == exits.USAGE


def test_the_host_is_what_the_pipelines_expect() -> None:
    host: protocols.Host = Host(Connect(temporal_address="localhost:1", nats_prefix="mine"))
    assert host.servers.temporal.address == "localhost:1"
    assert host.servers.nats_prefix == "mine"
    assert host.sample("code-generation")["type"].endswith(".requested.v1")


async def test_checks_of_other_packages_join_the_doctor_and_a_broken_one_harms_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [
        EntryPoint("good", "tests.unit.bridge.cli.test_plugins:well", plugins.CHECKS),
        EntryPoint("broken", "nowhere_to_be_found:check", plugins.CHECKS),
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: found if group else [])
    good, broken = await plugins.plugged_findings()
    assert (good.check, good.state) == ("kettle", "ok")
    assert (broken.check, broken.state) == ("broken", "failed")
    assert "nowhere_to_be_found" in broken.detail


async def well() -> list[Finding]:
    return [Finding("kettle", "ok", "boils")]
