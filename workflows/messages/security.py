"""The messages of QSecure."""

from collections import Counter
from enum import StrEnum

from workflows.messages.message import Message


class Severity(StrEnum):
    """The severity of a finding, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class ScanRequest(Message):
    """Source code to scan, by file name."""

    files: dict[str, str]
    language: str = "python"


class Weakness(Message):
    """One finding; ``line`` counts from 1, ``cwe`` is a number of the CWE list."""

    file: str
    line: int | None = None
    scanner: str
    rule: str
    severity: Severity
    confidence: str
    message: str
    cwe: int | None = None


class ScanReport(Message):
    """The findings of the scanners, worst first."""

    scanners: tuple[str, ...]
    findings: tuple[Weakness, ...] = ()

    @property
    def counts(self) -> dict[Severity, int]:
        """The number of findings of each severity, including 0."""
        found = Counter(finding.severity for finding in self.findings)
        return {severity: found[severity] for severity in Severity}

    @property
    def critical(self) -> int:
        """The number of critical findings."""
        return self.counts[Severity.CRITICAL]
