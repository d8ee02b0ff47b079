"""Every snippet of README.md, as a newcomer runs them: in order, beside a running `ntbridge dev`."""

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from bridge.routes.loading import load_routes
from tests.support.cli import Dev, environment
from tests.support.daemon import REQUESTED
from tests.support.readme import (
    README,
    SNIPPETS,
    UNTIL_CTRL_C,
    WITHIN,
    Snippet,
    run_in_order,
    shell,
    snippets,
)
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

_PROGRAMS = ("import nats", "results.watch", "/readyz")
"""What tells the programs in Python apart; a test below runs each."""

_OTHERWISE = {
    "mermaid": ["graph LR"],
    "console": [
        "export NTBRIDGE_WORKER_QAGENT__GATEWAY=openai",
        "cd compose && ./make-secrets.sh && docker compose up",
    ],
}
"""Pictures, what needs a language model, and what compose/check.sh runs where podman is."""


@pytest.fixture(scope="session")
def newcomer(dev: Dev) -> Path:
    """The folder of a running stack, with a stand-in for .venv that leads to this interpreter."""
    programs = dev.folder / ".venv" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name in ("ntbridge", "ntbridge-worker", "python", "temporal"):
        # No link: by a link to it, an interpreter would not find its packages.
        (programs / name).unlink(missing_ok=True)
        (programs / name).write_text(
            f'#!/bin/sh\nexec "{Path(sys.executable).parent / name}" "$@"\n'
        )
        (programs / name).chmod(0o755)
    activate = f'PATH="{programs}:$PATH"\nexport PATH\n'
    (programs / "activate").write_text(activate)
    return dev.folder


def program(mark: str) -> str:
    """The one program in Python with this in it."""
    (snippet,) = [each for each in snippets("python") if mark in each.text]
    return snippet.text


def test_nothing_is_left_untested() -> None:
    tested = {"sh", "python", "yaml", "text"}
    assert {snippet.language for snippet in SNIPPETS} == tested | _OTHERWISE.keys()
    assert len(snippets("python")) == len(_PROGRAMS)
    assert all(program(mark) for mark in _PROGRAMS)
    for language, begun in _OTHERWISE.items():
        for snippet, beginning in zip(snippets(language), begun, strict=True):
            assert snippet.text.startswith(beginning)
    assert README.count("```") == 2 * len(SNIPPETS)
    assert README.count(UNTIL_CTRL_C) == sum(each.until_interrupted for each in SNIPPETS)


async def test_shell_snippets_in_order(newcomer: Path) -> None:
    await run_in_order(newcomer, snippets("sh"))
    history = (newcomer / "history.ndjson").read_text(encoding="utf-8")
    assert REQUESTED in history


async def test_the_plain_client_works_as_printed(dev: Dev, tmp_path: Path) -> None:
    script = tmp_path / "plain_client.py"
    script.write_text(program("import nats"), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script)),
        cwd=tmp_path,
        env={**environment(), "NATS_URL": dev.addresses.nats_url},
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), WITHIN)
    assert (process.returncode, err.decode()) == (0, "")
    lines = out.decode().splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith("results.code-generation.completed ")


async def test_results_are_watched_from_python_as_printed(newcomer: Path) -> None:
    published = Snippet("sh", "ntbridge events publish --sample code-generation --wait\n")
    assert (await shell(newcomer, published))[0] == 0
    script = newcomer / "watching.py"
    script.write_text(program("results.watch"), encoding="utf-8")
    run = Snippet("sh", f"{sys.executable} watching.py\n")
    code, said = await shell(newcomer, run)
    assert code == 0, said
    assert said.splitlines()[-1].startswith("results.")


async def test_the_pages_are_shown_as_printed(newcomer: Path) -> None:
    (newcomer / "pages.py").write_text(program("/readyz"), encoding="utf-8")
    code, said = await shell(newcomer, Snippet("sh", "python pages.py\n"))
    assert code == 0, said
    assert json.loads(said)["ready"] is True


def test_the_routes_are_routes(tmp_path: Path) -> None:
    # Those that are tests of routes are run, beside their routes, by the tests of the routes.
    routes = [each for each in snippets("yaml") if not each.text.startswith("tests:")]
    for number, snippet in enumerate(routes):
        path = tmp_path / f"{number}.yaml"
        path.write_text(snippet.text, encoding="utf-8")
        assert load_routes(path).routes


def test_make_knows_the_targets() -> None:
    commands = [text for each in snippets("text") for text in each.text.splitlines()]
    assert all(command.startswith("make ") for command in commands)
    named = {command.split()[1] for command in commands}
    named |= set(re.findall(r"`make ([a-z-]+)", README))
    assert {"run", "test"} <= named
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_the_commands_and_files_it_names_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
