"""What writes tests, and what runs them."""

from typing import Protocol

from workflows.messages.suites import GeneratedSuite, SuiteReport, SuiteRequest, SuiteRun


class SuiteGenerator(Protocol):
    """Writes a test module for code."""

    async def generate(self, request: SuiteRequest) -> GeneratedSuite:
        """Write the tests. Whatever has to run the code for it does so in containment.

        Raises:
            SuiteNotWrittenError: When asking again would not help.
            UncontainedError: When the code may not be run on this machine.
            TransientError: When it may help.
        """


class SuiteRunner(Protocol):
    """Runs tests of code that nobody trusts."""

    async def run(self, run: SuiteRun) -> SuiteReport:
        """Run the tests in containment; however they end is in the report.

        Cancelling the call ends all that was started, and leaves nothing behind.

        Raises:
            UncontainedError: When this machine cannot contain the code and no setting allows
                to run it all the same.
            ToolMissingError: When a program is not installed.
        """

    async def clean_up(self, key: str) -> tuple[str, ...]:
        """Remove what a killed worker left behind of a run; return what it was."""
