"""Something that tells whether code is fit for use."""

from typing import Protocol

from workflows.messages.code_generation import CheckReport


class CodeChecker(Protocol):
    """Judges code without ever running it."""

    async def check(self, code: str, language: str) -> CheckReport:
        """Check code; what is wrong with it is in the report and raises nothing.

        The same code gets the same report. Cancelling the call ends whatever it started.

        Raises:
            ToolMissingError: When a checking program is not installed.
            ToolFailedError: When a checking program broke.
            ToolTimedOutError: When a checking program took too long.
        """
