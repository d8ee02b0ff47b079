"""Checking Python source: does it compile, and does ruff find errors in it?

Both run in processes of their own. Compiling hostile source can exhaust the parser's stack or
memory, which must be the child's end and not the worker's.
"""

import asyncio
import json
import os
import shutil
import sys
import sysconfig

from workflows.adapters.processes import Finished, run_tool
from workflows.errors import ToolFailedError, ToolMissingError
from workflows.messages.code_generation import CheckReport, CodeFinding

RULES = "E4,E7,E9,F,W6,B,PLE"
"""Ruff's rules that find errors; taste (line lengths, quotes) is no reason to reject code."""

_COMPILE = """
import json, sys
try:
    compile(sys.stdin.buffer.read(), "generated.py", "exec", dont_inherit=True)
except SyntaxError as error:
    json.dump([type(error).__name__, error.msg, error.lineno], sys.stdout)
except ValueError as error:
    # So Python before 3.11.4 calls source with a NUL in it.
    json.dump(["SyntaxError", str(error), None], sys.stdout)
except (RecursionError, MemoryError) as error:
    json.dump([type(error).__name__, str(error) or "too deeply nested", None], sys.stdout)
"""


class PythonChecker:
    """A ``CodeChecker`` for Python.

    Args:
        seconds: How long each of the two tools may take.
        at_once: How many checks may run at the same time; by default one per processor.
    """

    def __init__(self, *, seconds: float = 60, at_once: int | None = None) -> None:
        self._seconds = seconds
        self._slots = asyncio.Semaphore(at_once or os.cpu_count() or 1)

    async def check(self, code: str, language: str) -> CheckReport:
        """Compile the code, and lint it if it compiles."""
        if language != "python":
            raise ToolMissingError(f"there is no checker for {language}")
        source = code.encode()
        async with self._slots:
            findings = await self._compile(source) or await self._lint(source)
        return CheckReport(checks=("compile", "ruff"), findings=tuple(findings))

    async def _compile(self, source: bytes) -> list[CodeFinding]:
        # -I and -S: neither the user's site-packages nor PYTHON* variables have a say.
        command = [sys.executable, "-I", "-S", "-c", _COMPILE]
        finished = await run_tool(command, stdin=source, seconds=self._seconds)
        if finished.code < 0:
            return [
                CodeFinding(
                    check="compile",
                    rule="CompilerKilled",
                    message=f"the compiler died of signal {-finished.code} on it",
                )
            ]
        if finished.code != 0:
            raise _broken("the compiler", finished)
        if not finished.stdout:
            return []
        rule, message, line = json.loads(finished.stdout)
        return [CodeFinding(check="compile", rule=rule, message=message, line=line)]

    async def _lint(self, source: bytes) -> list[CodeFinding]:
        # --isolated: the verdict must not depend on whose configuration lies about.
        command = [_ruff(), "check", "--isolated", "--no-cache", "--quiet"]
        command += ["--select", RULES, "--target-version", "py311", "--no-fix"]
        command += ["--ignore-noqa", "--output-format", "json"]
        command += ["--stdin-filename", "generated.py", "-"]
        finished = await run_tool(command, stdin=source, seconds=self._seconds)
        if finished.code not in {0, 1}:
            raise _broken("ruff", finished)
        return [
            CodeFinding(
                check="ruff",
                rule=found["code"] or "syntax",
                message=found["message"],
                line=found["location"]["row"],
            )
            for found in json.loads(finished.stdout)
        ]


def _ruff() -> str:
    """Find the ruff that was installed with us, or else any on the path."""
    scripts = sysconfig.get_path("scripts")
    found = shutil.which("ruff", path=scripts) or shutil.which("ruff")
    if found is None:
        raise ToolMissingError("ruff is not installed: install the extra 'pipelines'")
    return found


def _broken(tool: str, finished: Finished) -> ToolFailedError:
    said = finished.stderr.decode(errors="replace").strip()[-500:]
    return ToolFailedError(f"{tool} broke (exit code {finished.code}): {said}")
