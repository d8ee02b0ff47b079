"""A workflow that has code tested and scanned, and nothing else."""

from temporalio import workflow

from workflows.messages.message import Message
from workflows.messages.security import ScanReport, ScanRequest
from workflows.messages.suites import GeneratedSuite, SuiteReport, SuiteRequest, SuiteRun
from workflows.messages.undoing import Cleaned, CleanupRequest
from workflows.platform.effects import effect_key
from workflows.steps import qsecure, qtest


class Code(Message):
    """What is to be tested; without tests, the ghostwriter writes some."""

    code: str
    tests: str | None = None


class Judged(Message):
    """What came of it."""

    suite: GeneratedSuite | None
    report: SuiteReport
    scan: ScanReport
    cleaned: Cleaned


@workflow.defn(name="SuiteScene")
class SuiteScene:
    """Generates tests, executes them, scans the code and cleans up."""

    @workflow.run
    async def run(self, given: Code) -> Judged:
        suite = None
        if given.tests is None:
            suite = await qtest.generate_tests(SuiteRequest(code=given.code))
        report = await qtest.execute_tests(
            SuiteRun(
                key=effect_key(),
                code=given.code,
                tests=suite.code if suite else given.tests or "",
            )
        )
        return Judged(
            suite=suite,
            report=report,
            scan=await qsecure.scan(ScanRequest(files={"generated.py": given.code})),
            cleaned=await qtest.cleanup_tests(CleanupRequest(key=effect_key())),
        )
