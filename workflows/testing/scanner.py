"""The contract of scanners."""

import asyncio
from typing import ClassVar

from workflows.errors import PipelineError
from workflows.messages.security import ScanRequest
from workflows.ports import Scanner
from workflows.testing.processes import children


class ScannerContract:
    """What every ``Scanner`` guarantees. Needs the fixture ``scanner``.

    Attributes:
        weak: Files with at least one weakness that the scanner finds.
        clean: Files without one.
        unreadable: Files that it cannot read; None if it reads everything.
    """

    weak: ClassVar[ScanRequest]
    clean: ClassVar[ScanRequest]
    unreadable: ClassVar[ScanRequest | None] = None

    async def test_it_finds_the_weakness(self, scanner: Scanner) -> None:
        report = await scanner.scan(self.weak)
        assert report.findings, "the weakness was not found"

    async def test_it_finds_nothing_in_clean_code(self, scanner: Scanner) -> None:
        found = (await scanner.scan(self.clean)).findings
        assert not found, f"it found {found} in clean code"

    async def test_the_same_code_gives_the_same_report(self, scanner: Scanner) -> None:
        first = await scanner.scan(self.weak)
        again, beside = await asyncio.gather(scanner.scan(self.weak), scanner.scan(self.weak))
        assert first == again == beside, "two scans of the same code differ"

    async def test_the_report_names_the_scanner(self, scanner: Scanner) -> None:
        report = await scanner.scan(self.weak)
        assert report.scanners, "the report names no scanner"
        named = {name.partition("/")[0] for name in report.scanners}
        strangers = {finding.scanner for finding in report.findings} - named
        assert not strangers, f"findings of {strangers}, which the report does not name"

    async def test_a_finding_has_a_place_and_a_text(self, scanner: Scanner) -> None:
        for finding in (await scanner.scan(self.weak)).findings:
            source = self.weak.files.get(finding.file)
            assert source is not None, f"{finding.file} was not scanned"
            lines = len(source.splitlines())
            within = finding.line is None or 1 <= finding.line <= lines
            assert within, f"{finding.file} has no line {finding.line}"
            assert finding.rule, "a finding needs a rule"
            assert finding.message, "a finding needs a text"

    async def test_it_is_not_silent_about_what_it_cannot_read(self, scanner: Scanner) -> None:
        if self.unreadable is None:
            return
        try:
            report = await scanner.scan(self.unreadable)
        except PipelineError:
            return
        assert report.findings, "files that cannot be read count as clean"

    async def test_a_cancelled_scan_leaves_no_process(self, scanner: Scanner) -> None:
        before = children()
        scanning = asyncio.create_task(scanner.scan(self.weak))
        # One turn of the loop to begin, and some more to start a program.
        for _ in range(1000):
            if scanning.done() or children() - before:
                break
            await asyncio.sleep(0.005)
        scanning.cancel()
        await asyncio.wait({scanning})
        left = children() - before
        assert not left, f"the cancelled scan left the processes {left}"
