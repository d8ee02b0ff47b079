"""What is dangerous about code is found, and told how bad it is."""

import pytest

from workflows.adapters.recipes.folder import builtin
from workflows.adapters.security.bandit import BanditScanner
from workflows.adapters.security.secrets import PATTERNS, SecretsScanner
from workflows.adapters.security.severities import Scanners, severity_of
from workflows.errors import ToolMissingError
from workflows.messages.security import ScanRequest, Severity

DANGEROUS = """
import subprocess

def run(command):
    subprocess.call(command, shell=True)  # nosec
    return eval(command)
"""


async def test_bandit_finds_weaknesses_the_worst_first() -> None:
    scanner = Scanners([SecretsScanner(), BanditScanner()])
    report = await scanner.scan(
        ScanRequest(files={"a.py": DANGEROUS, "test_a.py": "def test(): assert True\n"})
    )
    assert [(f.file, f.line, f.severity.value, f.cwe) for f in report.findings] == [
        ("a.py", 5, "critical", 78),
        ("a.py", 6, "high", 78),
        ("a.py", 2, "low", 78),
    ]
    assert report.counts == {
        Severity.CRITICAL: 1,
        Severity.HIGH: 1,
        Severity.MEDIUM: 0,
        Severity.LOW: 1,
    }
    assert report.scanners[0] == "secrets/1"
    assert report.scanners[1].startswith("bandit/1.")


async def test_what_cannot_be_read_is_no_good_news() -> None:
    report = await BanditScanner().scan(ScanRequest(files={"a.py": "def ("}))
    assert [finding.severity for finding in report.findings] == [Severity.HIGH]


async def test_only_python_is_scanned_by_bandit() -> None:
    with pytest.raises(ToolMissingError):
        await BanditScanner().scan(ScanRequest(files={"a.go": ""}, language="go"))


@pytest.mark.parametrize(
    ("severity", "confidence", "cwe", "expected"),
    [
        ("HIGH", "HIGH", 78, Severity.CRITICAL),
        ("HIGH", "MEDIUM", 78, Severity.HIGH),
        ("HIGH", "HIGH", 327, Severity.HIGH),
        ("MEDIUM", "HIGH", 502, Severity.HIGH),
        ("MEDIUM", "HIGH", 20, Severity.MEDIUM),
        ("LOW", "HIGH", 78, Severity.LOW),
        ("LOW", "LOW", None, Severity.LOW),
    ],
)
def test_the_table_of_severities(
    severity: str, confidence: str, cwe: int | None, expected: Severity
) -> None:
    assert severity_of(severity, confidence, cwe) is expected


# In two parts, so that no scanner of this repository takes them for real.
SECRETS = {
    "private-key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "aws-access-key": "AKIA" + "ABCDEFGHIJKLMNOP",
    "github-token": "ghp_" + "a1" * 18,
    "gitlab-token": "glpat-" + "a1" * 10,
    "google-api-key": "AIza" + "a1b2c" * 7,
    "slack-token": "xoxb-" + "123456789012-abcdefghij",
    "stripe-key": "sk_live_" + "a1" * 12,
    "openai-key": "sk-proj-" + "a1" * 20,
    "anthropic-key": "sk-ant-" + "a1" * 20,
    "npm-token": "npm_" + "a1" * 18,
    "pypi-token": "pypi-" + "a1" * 30,
    "json-web-token": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3",
    "password-in-address": "postgresql://bob:" + "hunter22@db.example/x",
}


@pytest.mark.parametrize("rule", PATTERNS)
async def test_a_secret_is_found_and_not_repeated(rule: str) -> None:
    code = f'one = 1\nSECRET = "{SECRETS[rule]}"\n'
    report = await SecretsScanner().scan(ScanRequest(files={"a.py": code}))
    assert rule in {finding.rule for finding in report.findings}
    assert {finding.line for finding in report.findings} == {2}
    assert {finding.severity for finding in report.findings} == {Severity.CRITICAL}
    assert SECRETS[rule] not in report.model_dump_json()


async def test_what_only_looks_like_a_secret_is_left_alone() -> None:
    innocent = "\n".join(
        [
            'URL = "postgresql://bob:{password}@db.example/x"',
            'URL = "https://example.com:8080/path@x"',
            'SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"',
            'password = os.environ["PASSWORD"]',
            *(recipe.code for recipe in builtin()),
        ]
    )
    assert (await SecretsScanner().scan(ScanRequest(files={"a": innocent}))).findings == ()
