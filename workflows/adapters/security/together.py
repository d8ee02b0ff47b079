"""Several scanners as one."""

from collections.abc import Sequence

from workflows.messages.security import ScanReport, ScanRequest, Severity
from workflows.ports.scanner import Scanner

_ORDER = list(Severity)


class Scanners:
    """A ``Scanner`` that asks others, and sorts what they find, the worst first."""

    def __init__(self, scanners: Sequence[Scanner]) -> None:
        self._scanners = scanners

    async def scan(self, request: ScanRequest) -> ScanReport:
        """Have all of them scan."""
        reports = [await scanner.scan(request) for scanner in self._scanners]
        found = [finding for report in reports for finding in report.findings]
        found.sort(
            key=lambda one: (_ORDER.index(one.severity), one.file, one.line or 0, one.rule)
        )
        return ScanReport(
            scanners=tuple(name for report in reports for name in report.scanners),
            findings=tuple(found),
        )
