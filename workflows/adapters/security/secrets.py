"""Finds secrets in code by their form.

It finds keys and tokens whose form is unambiguous, and passwords in addresses. Scanners that
search for random text find mostly digests and test data; here a finding stops a pipeline.
Findings never contain the secret.
"""

import re

from workflows.messages.security import ScanReport, ScanRequest, Severity, Weakness

NAME = "secrets/1"
_CWE = 798  # use of hard-coded credentials

PATTERNS = {
    "private-key": r"-----BEGIN (?:(?:RSA|EC|DSA|OPENSSH|ENCRYPTED|PGP) )?PRIVATE KEY(?: BLOCK)?-----",
    "aws-access-key": r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "github-token": r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{50,}\b",
    "gitlab-token": r"\bglpat-[A-Za-z0-9_-]{20,}\b",
    "google-api-key": r"\bAIza[A-Za-z0-9_-]{35}\b",
    "slack-token": r"\bxox[abprs]-[A-Za-z0-9-]{20,}\b",
    "stripe-key": r"\b[rs]k_live_[A-Za-z0-9]{20,}\b",
    "openai-key": r"\bsk-(?:proj-)?[A-Za-z0-9_-]{32,}\b",
    "anthropic-key": r"\bsk-ant-[A-Za-z0-9_-]{32,}\b",
    "npm-token": r"\bnpm_[A-Za-z0-9]{36}\b",
    "pypi-token": r"\bpypi-[A-Za-z0-9_-]{50,}\b",
    "json-web-token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "password-in-address": r"\b[a-z][a-z0-9+.-]*://[^\s:/@'\"{}<>$%]+:(?![*x<{$%]|password@|secret@)[^\s:/@'\"{}<>$%]{4,}@[\w.-]+",
}
_COMPILED = {rule: re.compile(pattern) for rule, pattern in PATTERNS.items()}


class SecretsScanner:
    """A ``Scanner`` that reads text of any language."""

    async def scan(self, request: ScanRequest) -> ScanReport:
        """Search for secrets line by line."""
        return ScanReport(
            scanners=(NAME,),
            findings=tuple(
                Weakness(
                    file=file,
                    line=number,
                    scanner=NAME.partition("/")[0],
                    rule=rule,
                    severity=Severity.CRITICAL,
                    confidence="high",
                    message=f"the code contains a secret ({rule.replace('-', ' ')}); "
                    "revoke it, and read the new one from the environment",
                    cwe=_CWE,
                )
                for file, source in request.files.items()
                for number, line in enumerate(source.splitlines(), 1)
                for rule, pattern in _COMPILED.items()
                if pattern.search(line)
            ),
        )
