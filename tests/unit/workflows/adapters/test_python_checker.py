"""The checker finds what is wrong, whatever the code, and leaves nothing behind."""

import asyncio
import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from workflows.adapters.processes import run_tool
from workflows.adapters.python_checker import PythonChecker
from workflows.errors import ToolFailedError, ToolMissingError, ToolTimedOutError
from workflows.messages.code_generation import CheckReport


async def check(code: str) -> CheckReport:
    return await PythonChecker().check(code, "python")


async def test_clean_code_passes() -> None:
    report = await check("def double(n: int) -> int:\n    return 2 * n\n")
    assert report.passed
    assert report.checks == ("compile", "ruff")


@pytest.mark.parametrize(
    ("code", "check_name", "rule", "line"),
    [
        ("def f(:\n", "compile", "SyntaxError", 1),
        ("x = 1\n  y = 2\n", "compile", "IndentationError", 2),
        ("x = '\0'\n", "compile", "SyntaxError", None),
        ("return 1\n", "compile", "SyntaxError", 1),
        ("(" * 10_000 + ")" * 10_000, "compile", "SyntaxError", 1),
        ("def f():\n    return unknown\n", "ruff", "F821", 2),
        ("def f():\n    return unknown  # noqa\n", "ruff", "F821", 2),
        ("print('%s' % (1, 2))\n", "ruff", "F507", 1),
    ],
)
async def test_what_is_wrong_is_found(
    code: str, check_name: str, rule: str, line: int | None
) -> None:
    report = await check(code)
    first = report.findings[0]
    assert not report.passed
    assert (first.check, first.rule) == (check_name, rule)
    assert line is None or first.line == line


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import os\n", "F401"),
        ("import os  # noqa\n", "F401"),
        ("def f(x=[]):\n    return x\n", "B006"),
        ("def f():\n    l = 1\n", "E741"),
        ("def f():\n    y = 1\n", "F841"),
    ],
)
async def test_style_is_found_and_rejects_nothing(code: str, rule: str) -> None:
    report = await check(code)
    assert report.passed
    assert rule in {finding.rule for finding in report.findings if finding.style}


@pytest.mark.parametrize(
    ("code", "fixed"),
    [
        ("import os\nimport sys\n\nprint(sys.path)\n", "import sys\n\nprint(sys.path)\n"),
        ("def f(x):\n    return f'a'\n", "def f(x):\n    return 'a'\n"),
        ("def f():\n    y = g()\n", "def f():\n    y = g()\n"),
        ("import os\n", "import os\n"),
        ("import os\ndef f(:\n", "import os\ndef f(:\n"),
    ],
)
async def test_safe_fixes_are_applied_and_no_others(code: str, fixed: str) -> None:
    assert await PythonChecker().fix(code, "python") == fixed


async def test_hostile_nesting_ends_in_a_finding_not_in_a_dead_worker() -> None:
    assert not (await check("-" * 500_000 + "1")).passed


async def test_the_code_is_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    await check(f"open({str(trace)!r}, 'w').close()\n")
    assert not trace.exists()


async def test_the_users_configuration_has_no_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ruff.toml").write_text('lint.ignore = ["F821"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUFF_CONFIG", str(tmp_path / "ruff.toml"))
    assert not (await check("unknown()\n")).passed


async def test_another_language_is_not_checked_and_not_called_checked() -> None:
    assert await PythonChecker().check("(", "cobol") == CheckReport(checks=())
    assert await PythonChecker().fix("(", "cobol") == "("


async def test_a_tool_that_is_not_there() -> None:
    with pytest.raises(ToolMissingError, match="is not installed"):
        await run_tool(["no-such-tool-anywhere"], stdin=b"", seconds=5)


async def test_a_tool_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.adapters.python_checker.RULES", "NOSUCHRULE")
    with pytest.raises(ToolFailedError, match="ruff failed"):
        await check("x = 1\n")


class Sleeper:
    """A tool with a child of its own, both holding a pipe open for as long as they live."""

    def __init__(self, folder: Path) -> None:
        self._pipe = folder / "life"
        os.mkfifo(self._pipe)
        self.command = ["sh", "-c", f"exec 3>{self._pipe}; sleep 600 & echo up >&3; wait"]

    def __enter__(self) -> Self:
        self._reader = os.fdopen(os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK), "rb", 0)
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    async def up(self) -> None:
        """Return when both are running."""
        assert await asyncio.to_thread(self._read) == b"up\n"

    async def gone(self) -> None:
        """Return when neither is running."""
        assert await asyncio.to_thread(self._read) == b""

    def _read(self) -> bytes:
        os.set_blocking(self._reader.fileno(), True)
        readable, _, _ = select.select([self._reader], [], [], 30)
        return self._reader.read(3) if readable else b"silence"


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Sleeper]:
    with Sleeper(tmp_path) as sleeper:
        yield sleeper


async def test_a_tool_that_takes_too_long_is_killed_with_its_children(sleeper: Sleeper) -> None:
    with pytest.raises(ToolTimedOutError, match=r"longer than 0\.5 s"):
        await run_tool(sleeper.command, stdin=b"", seconds=0.5)
    await sleeper.up()
    await sleeper.gone()


async def test_a_cancelled_call_kills_its_tool(sleeper: Sleeper) -> None:
    call = asyncio.create_task(run_tool(sleeper.command, stdin=b"", seconds=600))
    await sleeper.up()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await sleeper.gone()
