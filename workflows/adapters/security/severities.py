"""How bad a finding of bandit's is: its three levels made four.

=========================================================  ==========
bandit says                                                here
=========================================================  ==========
severity HIGH, confidence HIGH, and the weakness is one    critical
by which a stranger's words are run (``INJECTIONS``)
severity HIGH otherwise                                    high
severity MEDIUM, and a weakness of ``INJECTIONS``          high
severity MEDIUM otherwise                                  medium
severity LOW                                               low
=========================================================  ==========
"""

from workflows.messages.security import Severity

INJECTIONS = frozenset({77, 78, 89, 94, 95, 502})
"""Numbers of the CWE list: commands, SQL and code from outside; untrusted data made objects."""


def severity_of(severity: str, confidence: str, cwe: int | None) -> Severity:
    """Return how bad a finding is."""
    injection = cwe in INJECTIONS
    match severity.upper():
        case "HIGH":
            worst = injection and confidence.upper() == "HIGH"
            return Severity.CRITICAL if worst else Severity.HIGH
        case "MEDIUM":
            return Severity.HIGH if injection else Severity.MEDIUM
        case _:
            return Severity.LOW
