"""What people are told of a security scan."""

from workflows.messages.security import ScanReport, Severity


def critical_findings(report: ScanReport) -> str:
    """Return the critical findings in words."""
    found = "; ".join(
        f"{finding.rule} in {finding.file}"
        + (f" line {finding.line}" if finding.line else "")
        + f": {finding.message}"
        for finding in report.findings
        if finding.severity is Severity.CRITICAL
    )
    return f"the scan has {report.critical} critical findings: {found}"
