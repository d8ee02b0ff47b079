"""The messages of QSecure."""

from collections import Counter
from enum import StrEnum

from workflows.messages.message import Message


class Severity(StrEnum):
    """How bad a finding is, the worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class ScanRequest(Message):
    """Source code to look at, by file name."""

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
    """What the scanners found, the worst first."""

    scanners: tuple[str, ...]
    findings: tuple[Weakness, ...] = ()

    @property
    def counts(self) -> dict[Severity, int]:
        """How many findings there are of each severity, none left out."""
        found = Counter(finding.severity for finding in self.findings)
        return {severity: found[severity] for severity in Severity}

    @property
    def critical(self) -> int:
        """How many findings are critical."""
        return self.counts[Severity.CRITICAL]
