"""The severity of bandit's findings: four levels from its three.

=========================================================  ==========
bandit                                                     severity
=========================================================  ==========
severity HIGH, confidence HIGH, and the weakness lets      critical
others run code (``INJECTIONS``)
severity HIGH otherwise                                    high
severity MEDIUM, and a weakness of ``INJECTIONS``          high
severity MEDIUM otherwise                                  medium
severity LOW                                               low
=========================================================  ==========
"""

from collections.abc import Sequence

from workflows.messages.security import ScanReport, ScanRequest, Severity
from workflows.ports import Scanner

INJECTIONS = frozenset({77, 78, 89, 94, 95, 502})
"""Numbers of the CWE list: injection of commands, SQL and code; unsafe deserialization."""


def severity_of(severity: str, confidence: str, cwe: int | None) -> Severity:
    """Return the severity of a finding."""
    injection = cwe in INJECTIONS
    match severity.upper():
        case "HIGH":
            worst = injection and confidence.upper() == "HIGH"
            return Severity.CRITICAL if worst else Severity.HIGH
        case "MEDIUM":
            return Severity.HIGH if injection else Severity.MEDIUM
        case _:
            return Severity.LOW


def rank(severity: Severity) -> int:
    """Return the place of a severity, from 0 for the worst."""
    return _ORDER.index(severity)


_ORDER = list(Severity)


# Several scanners as one.


class Scanners:
    """A ``Scanner`` that runs others and sorts their findings, worst first."""

    def __init__(self, scanners: Sequence[Scanner]) -> None:
        self._scanners = scanners

    async def scan(self, request: ScanRequest) -> ScanReport:
        """Scan with all of them."""
        reports = [await scanner.scan(request) for scanner in self._scanners]
        found = [finding for report in reports for finding in report.findings]
        found.sort(key=lambda one: (rank(one.severity), one.file, one.line or 0, one.rule))
        return ScanReport(
            scanners=tuple(name for report in reports for name in report.scanners),
            findings=tuple(found),
        )
