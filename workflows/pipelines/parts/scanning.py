"""A security scan and its result event."""

from workflows.messages.code_generation import GeneratedCode
from workflows.messages.security import ScanReport, ScanRequest, Severity
from workflows.messages.suites import MODULE
from workflows.platform.result_events import ResultEvents
from workflows.steps import qsecure


async def scan(code: GeneratedCode, results: ResultEvents, *, emits: str) -> ScanReport:
    """Scan code and emit the report.

    Raises:
        ActivityError: It could not be scanned, or the run was cancelled.
    """
    scanned = ScanRequest(files={f"{MODULE}.py": code.code}, language=code.language)
    report = await qsecure.scan(scanned)
    await results.emit(emits, report)
    return report


def critical_findings(report: ScanReport) -> str:
    """Return the critical findings as text."""
    found = "; ".join(
        f"{finding.rule} in {finding.file}"
        + (f" line {finding.line}" if finding.line else "")
        + f": {finding.message}"
        for finding in report.findings
        if finding.severity is Severity.CRITICAL
    )
    return f"the scan has {report.critical} critical findings: {found}"
