"""The snippets of README.md, and how a newcomer runs them."""

import asyncio
import os
import re
import signal
from asyncio.subprocess import STDOUT
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.cli import environment
from tests.support.servers import ROOT
from tests.support.waiting import line

README = (ROOT / "README.md").read_text(encoding="utf-8")
UNTIL_CTRL_C = "<!-- until Ctrl-C -->"
WITHIN = 60
"""Seconds that a snippet may take."""

_BLOCK = re.compile(
    rf"(?P<until>{re.escape(UNTIL_CTRL_C)}\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Snippet:
    """A block of code."""

    language: str
    text: str
    until_interrupted: bool = False


def _of(text: str) -> list[Snippet]:
    return [
        Snippet(found["language"], found["text"], found["until"] is not None)
        for found in _BLOCK.finditer(text)
    ]


SNIPPETS = _of(README)


def snippets(language: str, within: str | None = None) -> list[Snippet]:
    """The snippets in a language, of all the file or of the section with this heading."""
    if within is None:
        return [each for each in SNIPPETS if each.language == language]
    _, _, rest = README.partition(f"\n## {within}\n")
    assert rest, within
    return [each for each in _of(rest.partition("\n## ")[0]) if each.language == language]


async def shell(
    folder: Path,
    snippet: Snippet,
    env: Mapping[str, str] | None = None,
    within: float = WITHIN,
) -> tuple[int, str]:
    """Run a snippet in a shell with the virtual environment active; Ctrl-C it when it is endless."""
    script = (
        snippet.text if "activate" in snippet.text else f". .venv/bin/activate\n{snippet.text}"
    )
    output = folder / "snippet.log"
    with output.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-e", "-c", script),
            cwd=folder,
            env=environment(env),
            stdout=sink,
            stderr=STDOUT,
            start_new_session=True,
        )
    try:
        if snippet.until_interrupted:
            await line(output, "specversion", within=within)
            os.killpg(process.pid, signal.SIGINT)
        await asyncio.wait_for(process.wait(), within)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return process.returncode or 0, output.read_text(encoding="utf-8")


async def run_in_order(
    folder: Path,
    those: Iterable[Snippet],
    env: Mapping[str, str] | None = None,
    within: float = WITHIN,
) -> None:
    """Run snippets one after another; each must end as a newcomer expects."""
    for snippet in those:
        code, said = await shell(folder, snippet, env, within)
        expected = (130, -signal.SIGINT) if snippet.until_interrupted else (0,)
        assert code in expected, f"{snippet.text}\nended with {code}:\n{said}"
