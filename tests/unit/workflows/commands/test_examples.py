"""Each help of a command ends with examples, and every example parses."""

import re
import shlex
from collections.abc import Iterator

import pytest
from cyclopts import App

from workflows.commands import approvals, pipelines, provenance

APPS = (approvals.app, pipelines.app, provenance.app)


def commands() -> Iterator[tuple[App, str]]:
    for app in APPS:
        for name in app:
            if not name.startswith("-"):
                yield app, name


@pytest.mark.parametrize(("app", "name"), list(commands()), ids=lambda each: str(each)[:20])
def test_every_command_has_examples_that_parse(app: App, name: str) -> None:
    epilogue = app[name].help_epilogue or ""
    found = re.findall(r"^ntbridge .*$", epilogue, re.MULTILINE)
    assert found
    for line in found:
        _, noun, *words = shlex.split(line)
        assert (noun, words[0]) == (app.name[0], name)
        app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name[0])
def test_lists_take_columns(app: App) -> None:
    listing = "show" if app is provenance.app else "ls"
    words = [listing, *(["order-1"] if listing == "show" else []), "--columns", "a,b"]
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert bound.arguments["columns"] == "a,b"
