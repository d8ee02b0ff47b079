"""Commands and settings in the documentation exist: each command line is parsed, each file of settings is read."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cyclopts import App

from bridge.cli import plugins
from bridge.cli.main import app
from bridge.settings.schema import Settings
from bridge.settings.sources import from_file, load
from tests.support.servers import ROOT
from workflows.worker.cli import app as worker

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMPLETE = ROOT / "docs" / "adoption" / "ntbridge.yaml"

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_SHELLS = {"sh", "console", "text"}
_ENDS = re.compile(r"\s(?:&&|\|\|?|;|>>?|<)\s.*|\s+#.*")
_BEFORE = re.compile(r"^(?:\S+ exec \S+ (?:-- )?|docker compose exec \w+ |[A-Z_]+=\S+ )*")
_PROGRAMS = {"ntbridge": app, "ntbridge-worker": worker}


def commands() -> Iterator[str]:
    """Each command line of ours in a snippet."""
    for document in DOCUMENTS:
        for block in _BLOCK.finditer(document.read_text(encoding="utf-8")):
            if block["language"] not in _SHELLS:
                continue
            text = block["text"].replace("\\\n", " ")
            for line in text.splitlines():
                for part in re.split(r"\s(?:&&|\|)\s", line):
                    command = _BEFORE.sub("", _ENDS.sub("", part).strip())
                    if command.partition(" ")[0] in _PROGRAMS:
                        yield command


COMMANDS = sorted(set(commands()))


def test_there_are_many() -> None:
    assert len(COMMANDS) > 40


@pytest.fixture(scope="module")
def complete() -> App:
    """The command with those of the pipelines."""
    for noun in ("approvals", "pipelines", "provenance"):
        plugins.attach(app, [noun])
    return app


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("complete")
def test_a_command_in_a_snippet_exists(command: str) -> None:
    program, *tokens = shlex.split(command.replace("…", "x"))
    _PROGRAMS[program].parse_args(tokens, exit_on_error=False, print_error=False)


def settings_in_snippets() -> list[str]:
    """The YAML blocks whose keys are sections of the settings."""
    found = []
    for document in DOCUMENTS:
        for block in _BLOCK.finditer(document.read_text(encoding="utf-8")):
            if block["language"] == "yaml":
                content = yaml.safe_load(block["text"])
                if isinstance(content, dict) and content.keys() <= set(Settings.model_fields):
                    found.append(block["text"])
    return [each for each in found if "routes" not in yaml.safe_load(each)]


@pytest.mark.parametrize("text", settings_in_snippets())
def test_settings_in_a_snippet_are_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ntbridge.yaml"
    path.write_text(text, encoding="utf-8")
    assert load([from_file(path)]).origins


def test_the_complete_file_has_every_section_that_an_installation_needs() -> None:
    loaded = load([from_file(COMPLETE)])
    left_out = {"codec_server", "console", "insecure"}
    sections = {key.partition(".")[0] for key in loaded.origins}
    assert set(Settings.model_fields) - left_out - sections == set()


def test_what_is_commented_out_in_it_exists_too(tmp_path: Path) -> None:
    text = COMPLETE.read_text(encoding="utf-8")
    path = tmp_path / "ntbridge.yaml"
    path.write_text(
        re.sub(r"^( +)# (\w+: )", r"\1\2", text, flags=re.MULTILINE), encoding="utf-8"
    )
    assert len(load([from_file(path)]).origins) > len(load([from_file(COMPLETE)]).origins)
