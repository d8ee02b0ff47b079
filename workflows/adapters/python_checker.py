"""Checks that Python source compiles and that ruff finds no errors.

Both run in child processes: compiling hostile source can exhaust the parser's stack or memory,
and that must not end the worker.
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
"""Ruff's rules that find errors; style (line lengths, quotes) does not reject code."""

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
        seconds: Timeout of each of the two tools.
        at_once: Limit of concurrent checks; by default one for each processor.
    """

    def __init__(self, *, seconds: float = 60, at_once: int | None = None) -> None:
        self._seconds = seconds
        self._slots = asyncio.Semaphore(at_once or os.cpu_count() or 1)

    async def check(self, code: str, language: str) -> CheckReport:
        """Compile the code, and lint it if it compiles."""
        if language != "python":
            raise ToolMissingError(f"no checker exists for {language}")
        source = code.encode()
        async with self._slots:
            findings = await self._compile(source) or await self._lint(source)
        return CheckReport(checks=("compile", "ruff"), findings=tuple(findings))

    async def _compile(self, source: bytes) -> list[CodeFinding]:
        # -I and -S: the user's site-packages and PYTHON* variables have no effect.
        command = [sys.executable, "-I", "-S", "-c", _COMPILE]
        finished = await run_tool(command, stdin=source, seconds=self._seconds)
        if finished.code < 0:
            return [
                CodeFinding(
                    check="compile",
                    rule="CompilerKilled",
                    message=f"signal {-finished.code} ended the compiler",
                )
            ]
        if finished.code != 0:
            raise _broken("the compiler", finished)
        if not finished.stdout:
            return []
        rule, message, line = json.loads(finished.stdout)
        return [CodeFinding(check="compile", rule=rule, message=message, line=line)]

    async def _lint(self, source: bytes) -> list[CodeFinding]:
        # --isolated: no configuration file may change the result.
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
    """Return the ruff beside this interpreter, else the one on PATH."""
    scripts = sysconfig.get_path("scripts")
    found = shutil.which("ruff", path=scripts) or shutil.which("ruff")
    if found is None:
        raise ToolMissingError("ruff is not installed: install the extra 'pipelines'")
    return found


def _broken(tool: str, finished: Finished) -> ToolFailedError:
    said = finished.stderr.decode(errors="replace").strip()[-500:]
    return ToolFailedError(f"{tool} failed (exit code {finished.code}): {said}")
