"""The shipped scanners pass the contract; for each of its tests, one with a fault fails it."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from typing_extensions import override

from tests.support.wrong_adapters import contract_tests, fails
from workflows.adapters.security.bandit import BanditScanner
from workflows.adapters.security.dependencies import DependenciesScanner
from workflows.adapters.security.secrets import SecretsScanner
from workflows.adapters.security.severities import Scanners
from workflows.messages.security import ScanReport, ScanRequest, Severity, Weakness
from workflows.ports import Scanner
from workflows.testing.scanner import ScannerContract

CODE = {"a.py": "import pickle\n\n\ndef load(data):\n    return pickle.loads(data)\n"}
CLEAN = {"a.py": "PRICE = 5\n"}
ADVISORY = {
    "id": "GHSA-xxxx-1",
    "modified": "2026-11-01T00:00:00Z",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "acme"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.2"}]}
            ],
        }
    ],
}


@pytest.mark.slow
class TestBandit(ScannerContract):
    weak = ScanRequest(files=CODE)
    clean = ScanRequest(files=CLEAN)
    unreadable = ScanRequest(files={"a.py": "def ("})

    @pytest.fixture
    def scanner(self) -> Scanner:
        return BanditScanner()


class TestSecrets(ScannerContract):
    weak = ScanRequest(files={"a.txt": "one\nAKIA" + "ABCDEFGHIJKLMNOP\n"})
    clean = ScanRequest(files=CLEAN)

    @pytest.fixture
    def scanner(self) -> Scanner:
        return SecretsScanner()


class TestDependencies(ScannerContract):
    weak = ScanRequest(files={"requirements.txt": "# ours\nacme==1.0\n"})
    clean = ScanRequest(files={**CLEAN, "requirements.txt": "acme==1.2\n"})
    unreadable = ScanRequest(files={"requirements.txt": "acme ==== 1\n"})

    @pytest.fixture
    def scanner(self, tmp_path: Path) -> Scanner:
        (tmp_path / "one.json").write_text(json.dumps(ADVISORY))
        return DependenciesScanner(tmp_path)


@pytest.mark.slow
class TestAllTogether(ScannerContract):
    weak = ScanRequest(files={**CODE, "requirements.txt": "acme==1.0\n"})
    clean = ScanRequest(files=CLEAN)
    unreadable = ScanRequest(files={"a.py": "def ("})

    @pytest.fixture
    def scanner(self, tmp_path: Path) -> Scanner:
        (tmp_path / "one.json").write_text(json.dumps(ADVISORY))
        return Scanners([SecretsScanner(), BanditScanner(), DependenciesScanner(tmp_path)])


class Right:
    """A scanner that does what it should; each of the others has one fault."""

    name = "right/1"
    finding: ClassVar[dict[str, object]] = {}

    async def scan(self, request: ScanRequest) -> ScanReport:
        return ScanReport(
            scanners=(self.name,),
            findings=tuple(
                Weakness(
                    **{
                        "file": file,
                        "line": 1,
                        "scanner": "right",
                        "rule": "no-eval",
                        "severity": Severity.HIGH,
                        "confidence": "high",
                        "message": "it evaluates input",
                        **self.finding,
                    }
                )
                for file, source in request.files.items()
                if "eval" in source or "\0" in source
            ),
        )


class Blind(Right):
    @override
    async def scan(self, request: ScanRequest) -> ScanReport:
        del request
        return ScanReport(scanners=(self.name,))


class Suspicious(Right):
    @override
    async def scan(self, request: ScanRequest) -> ScanReport:
        return await super().scan(ScanRequest(files=dict.fromkeys(request.files, "eval")))


class Moody(Right):
    calls = 0

    @override
    async def scan(self, request: ScanRequest) -> ScanReport:
        self.calls += 1
        report = await super().scan(request)
        return report if self.calls % 2 else report.model_copy(update={"findings": ()})


class Nameless(Right):
    name = "another/1"


class Lost(Right):
    finding: ClassVar[dict[str, object]] = {"line": 99}


class Messy(Right):
    """It does not end the program that it started when it is cancelled."""

    def __init__(self, started: list[subprocess.Popen[bytes]]) -> None:
        self._started = started

    @override
    async def scan(self, request: ScanRequest) -> ScanReport:
        command = [sys.executable, "-c", "input()"]
        self._started.append(subprocess.Popen(command, stdin=-1))  # noqa: ASYNC220 - not cancelled
        await asyncio.Event().wait()
        return await super().scan(request)


class Example(ScannerContract):
    __test__ = False
    weak = ScanRequest(files={"a.py": "eval(input())"})
    clean = ScanRequest(files=CLEAN)
    unreadable = ScanRequest(files={"a.py": "\0"})


class TestRight(Example):
    __test__ = True

    @pytest.fixture
    def scanner(self) -> Scanner:
        return Right()


WRONG: dict[str, type[Right]] = {
    "test_it_finds_the_weakness": Blind,
    "test_it_finds_nothing_in_clean_code": Suspicious,
    "test_the_same_code_gives_the_same_report": Moody,
    "test_the_report_names_the_scanner": Nameless,
    "test_a_finding_has_a_place_and_a_text": Lost,
    "test_it_is_not_silent_about_what_it_cannot_read": Blind,
}


@pytest.mark.parametrize("test", WRONG)
async def test_a_wrong_scanner_fails(test: str) -> None:
    await fails(Example(), test, {"scanner": WRONG[test]()})


async def test_one_that_leaves_a_process_fails() -> None:
    started: list[subprocess.Popen[bytes]] = []
    try:
        await fails(Example(), MESSY, {"scanner": Messy(started)})
    finally:
        for program in started:
            program.kill()
            program.communicate()


MESSY = "test_a_cancelled_scan_leaves_no_process"


def test_each_test_has_one_that_fails_it() -> None:
    assert {*WRONG, MESSY} == contract_tests(ScannerContract)
