"""QTest: generates tests for code and runs them."""

from temporalio import activity

from workflows.activities.heartbeats import heartbeating, patiently
from workflows.messages.suites import GeneratedSuite, SuiteReport, SuiteRequest, SuiteRun
from workflows.messages.undoing import Cleaned, CleanupRequest
from workflows.ports import SuiteGenerator, SuiteRunner
from workflows.steps import qtest as steps


class QTestActivities:
    """The steps of testing. Files that a killed step leaves can be removed later."""

    def __init__(self, *, generator: SuiteGenerator, runner: SuiteRunner) -> None:
        self._generator = generator
        self._runner = runner

    @activity.defn(name=steps.generate_tests.name)
    async def generate_tests(self, request: SuiteRequest) -> GeneratedSuite:
        """Generate tests, or return those of the code's author."""
        async with heartbeating():
            with patiently():
                return await self._generator.generate(request)

    @activity.defn(name=steps.execute_tests.name)
    async def execute_tests(self, run: SuiteRun) -> SuiteReport:
        """Run the tests."""
        async with heartbeating():
            return await self._runner.run(run)

    @activity.defn(name=steps.cleanup_tests.name)
    async def cleanup_tests(self, request: CleanupRequest) -> Cleaned:
        """Remove the files that a run's tests left on this machine."""
        async with heartbeating():
            return Cleaned(removed=await self._runner.clean_up(request.key))
