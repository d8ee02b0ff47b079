"""Helps end with examples that parse; what is missing is named; scripts complete commands and flags."""

import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest
from cyclopts import App

from bridge.cli import examples, exits
from bridge.cli.examples import EXAMPLES
from bridge.cli.main import _run, app

OTHERS = {"approvals", "pipelines", "provenance"}
"""Commands of plug-ins, which bring their own help."""


def commands(of: App, *before: str) -> Iterator[str]:
    """Every command that runs something."""
    for name in of:
        if name.startswith("-") or name in OTHERS:
            continue
        found = of[name]
        if found.default_command is None:
            yield from commands(found, *before, name)
        else:
            yield " ".join((*before, name))


def helped(command: str, capsys: pytest.CaptureFixture[str]) -> str:
    words = command.split()
    examples.attach(app, words)
    app([*words, "--help"], result_action="return_value")
    return capsys.readouterr().out


def test_every_command_has_examples_and_every_example_is_of_a_command() -> None:
    assert set(EXAMPLES) == set(commands(app))


@pytest.mark.parametrize("command", EXAMPLES)
def test_examples_parse_and_are_shown(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = " ".join(helped(command, capsys).split())
    for example in EXAMPLES[command]:
        assert example[:60] in shown
        plain = re.sub(r"^source <\((.*)\)$", r"\1", example)
        name, *words = shlex.split(re.sub(r" >>? [^\s']+$", "", plain))
        assert name == "ntbridge"
        assert words[: len(command.split())] == command.split()
        app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("command", EXAMPLES)
def test_each_help_says_what_a_pipe_gets(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = helped(command, capsys)
    if "--output" in shown and command != "routes lint":
        output = " ".join(shown[shown.index("--output") :].replace("│", " ").split())
        assert "in a pipe" in output[:400], output[:400]


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("dead-letters drop", "flag --why"),
        ("dead-letters show", "argument NUMBER"),
        ("resume", "argument KIND"),
        ("resume route", "argument NAME"),
        ("completion", "argument SHELL"),
        ("routes explain", "flag --file"),
    ],
)
def test_what_is_missing_is_named(
    line: str, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(line.split()) == exits.USAGE
    command = " ".join(line.split()[: 1 if line.startswith(("resume", "completion")) else 2])
    assert capsys.readouterr().err == (
        f"ntbridge: the required {missing} is missing: see 'ntbridge {command} --help'\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_complete_commands_of_plug_ins_and_flags(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["completion", shell]) == exits.OK
    script = capsys.readouterr().out
    for word in ("redrive", "approvals", "grant", "columns"):
        assert word in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_version_names_the_release(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["version"]) == exits.OK
    assert re.fullmatch(r"ntbridge \d+\.\d+\.\d+ \(Python 3\.\S+\)\n", capsys.readouterr().out)
