"""Something that looks for what is dangerous about code."""

from typing import Protocol

from workflows.messages.security import ScanReport, ScanRequest


class Scanner(Protocol):
    """Finds weaknesses without ever running the code."""

    async def scan(self, request: ScanRequest) -> ScanReport:
        """Scan code; the same code gets the same report.

        Cancelling the call ends whatever it started.

        Raises:
            ToolMissingError: When a scanning program is not installed.
            ToolFailedError: When a scanning program broke.
            ToolTimedOutError: When a scanning program took too long.
        """
