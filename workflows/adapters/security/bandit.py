"""Finds weaknesses with bandit, in a child process."""

import json
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from workflows.adapters.processes import run_tool
from workflows.adapters.security.severities import severity_of
from workflows.errors import ToolFailedError, ToolMissingError
from workflows.messages.security import ScanReport, ScanRequest, Severity, Weakness

_IN_TESTS = "B101"  # tests need asserts


class BanditScanner:
    """A ``Scanner`` for Python. It ignores comments that switch bandit off."""

    def __init__(self, *, seconds: float = 120) -> None:
        self._seconds = seconds

    async def scan(self, request: ScanRequest) -> ScanReport:
        """Scan every file with bandit."""
        if request.language != "python":
            raise ToolMissingError(f"no scanner exists for {request.language}")
        name = _name()
        found: list[Weakness] = []
        for file, source in request.files.items():
            found += await self._scan_file(file, source)
        return ScanReport(scanners=(name,), findings=tuple(found))

    async def _scan_file(self, file: str, source: str) -> list[Weakness]:
        command = [sys.executable, "-I", "-m", "bandit", "-f", "json", "-q", "--ignore-nosec"]
        if file.rpartition("/")[2].startswith("test_"):
            command += ["--skip", _IN_TESTS]
        finished = await run_tool([*command, "-"], stdin=source.encode(), seconds=self._seconds)
        if finished.code not in {0, 1}:
            said = finished.stderr.decode(errors="replace").strip()[-500:]
            raise ToolFailedError(f"bandit failed (exit code {finished.code}): {said}")
        report = json.loads(finished.stdout)
        unread = [_unread(file, error) for error in report["errors"]]
        return unread + [_weakness(file, result) for result in report["results"]]


def _weakness(file: str, result: dict[str, Any]) -> Weakness:
    cwe = result.get("issue_cwe", {}).get("id")
    return Weakness(
        file=file,
        line=result["line_number"],
        scanner="bandit",
        rule=f"{result['test_id']} {result['test_name']}",
        severity=severity_of(result["issue_severity"], result["issue_confidence"], cwe),
        confidence=result["issue_confidence"].lower(),
        message=result["issue_text"],
        cwe=cwe,
    )


def _unread(file: str, error: dict[str, Any]) -> Weakness:
    """Files that bandit cannot read count as findings."""
    return Weakness(
        file=file,
        scanner="bandit",
        rule="unreadable",
        severity=Severity.HIGH,
        confidence="high",
        message=f"bandit cannot read it: {error.get('reason', 'no reason given')}",
    )


def _name() -> str:
    try:
        return f"bandit/{version('bandit')}"
    except PackageNotFoundError as error:
        raise ToolMissingError(
            "bandit is not installed: install the extra 'pipelines'"
        ) from error
