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
"""Ruff's rules that code should keep."""
ERRORS = ("E9", "F50", "F52", "F6", "F7", "F82", "PLE", "invalid-syntax", "syntax")
"""How rules begin that find errors: names that do not exist, formats that fail, and so on.

The others find style, such as an import that is not used. Style alone does not reject code.
"""

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
    """A ``CodeChecker`` and ``CodeFixer`` for Python. It checks nothing of other languages.

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
            return CheckReport(checks=())
        source = code.encode()
        async with self._slots:
            findings = await self._compile(source) or await self._lint(source)
        return CheckReport(checks=("compile", "ruff"), findings=tuple(findings))

    async def fix(self, code: str, language: str) -> str:
        """Apply ruff's safe fixes, such as the removal of unused imports."""
        if language != "python":
            return code
        async with self._slots:
            command = self._ruff("--fix", "--fix-only")
            finished = await run_tool(command, stdin=code.encode(), seconds=self._seconds)
        # Code that cannot be parsed is not fixed, which is exit code 1.
        if finished.code not in {0, 1}:
            raise _broken("ruff", finished)
        fixed = finished.stdout.decode(errors="replace")
        return fixed if finished.code == 0 and fixed.strip() else code

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
        command = self._ruff("--no-fix", "--output-format", "json")
        finished = await run_tool(command, stdin=source, seconds=self._seconds)
        if finished.code not in {0, 1}:
            raise _broken("ruff", finished)
        return [
            CodeFinding(
                check="ruff",
                rule=found["code"] or "syntax",
                message=found["message"],
                line=found["location"]["row"],
                style=not (found["code"] or "syntax").startswith(ERRORS),
            )
            for found in json.loads(finished.stdout)
        ]

    @staticmethod
    def _ruff(*options: str) -> list[str]:
        # --isolated: no configuration file may change the result.
        command = [_ruff(), "check", "--isolated", "--no-cache", "--quiet", *options]
        command += ["--select", RULES, "--target-version", "py311", "--ignore-noqa"]
        return [*command, "--stdin-filename", "generated.py", "-"]


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
