"""`ntbridge pipelines` beside a running stack: events published, phases shown, codes by outcome."""

import asyncio
import json
import os
import pty
import re
from collections.abc import Sequence

import pytest

from tests.support.cli import NTBRIDGE, Dev, environment, ntbridge

pytestmark = pytest.mark.slow

DONE = ["parse the prompt", "generate code", "check code", "record fingerprint"]
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


async def test_following_shows_each_phase_as_it_ends(dev: Dev) -> None:
    done = await ntbridge("pipelines", "run", "code-generation", "--follow", cwd=dev.folder)
    assert done.code == 0, done.err
    assert [(row["phase"], row["state"]) for row in done.rows] == [(p, "done") for p in DONE]
    assert "code-generation completed after" in done.err


async def test_a_run_that_fails_says_what_was_undone(dev: Dev) -> None:
    done = await ntbridge(
        *("pipelines", "run", "devsecops", "--follow"),
        "environment=refused",
        *("service=none", "prompt=Write a distributed database"),
        cwd=dev.folder,
    )
    assert done.code == 1
    assert [row["state"] for row in done.rows] == ["failed"]
    assert "undone: clean up the code" in done.err


async def test_without_following_the_id_is_printed(dev: Dev) -> None:
    done = await ntbridge("pipelines", "run", "code-generation", "prompt=x", cwd=dev.folder)
    assert done.code == 0, done.err
    explained = await ntbridge("events", "explain", done.out.strip(), cwd=dev.folder)
    assert explained.code == 0, explained.err


async def test_what_does_not_end_in_time_is_exit_code_5(dev: Dev) -> None:
    done = await ntbridge(
        *("pipelines", "run", "code-generation", "--follow", "--timeout", "0.01"),
        cwd=dev.folder,
    )
    assert done.code == 5
    assert "ntbridge events explain" in done.err


@pytest.mark.parametrize(
    "arguments", [("alchemy",), ("devsecops", "no-input"), ("devsecops", "resorces=[]"), ()]
)
async def test_a_wrong_command_line_is_exit_code_2(dev: Dev, arguments: Sequence[str]) -> None:
    done = await ntbridge("pipelines", "run", *arguments, cwd=dev.folder)
    assert done.code == 2


async def test_the_pipelines_are_listed(dev: Dev) -> None:
    done = await ntbridge("pipelines", "ls", "-o", "json", cwd=dev.folder)
    listed = {row["name"]: row for row in json.loads(done.out)}
    assert listed["code-generation"]["phases"] == DONE


async def test_in_a_terminal_the_phases_are_drawn(dev: Dev) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(*NTBRIDGE, "pipelines", "run", "code-generation", "--follow"),
        cwd=dev.folder,
        env=environment({"TERM": "xterm", "COLUMNS": "100"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = await asyncio.wait_for(asyncio.to_thread(_read_all, ours), 60)
    assert await process.wait() == 0
    last = _CONTROL.sub("", seen).rpartition("parse the prompt")[2]
    assert [phase for phase in DONE[1:] if f"✓ {phase}" in last] == DONE[1:]
    assert "code-generation completed" in last


def _read_all(terminal: int) -> str:
    """Read what a terminal shows until nobody writes to it any more."""
    seen = b""
    with open(terminal, "rb", buffering=0) as file:
        while True:
            try:
                piece = file.read(4096)
            except OSError:  # how Linux says that the other end is closed
                break
            if not piece:
                break
            seen += piece
    return seen.decode(errors="replace")
