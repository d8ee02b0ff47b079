"""QSecure: scans code for weaknesses."""

from temporalio import activity

from workflows.activities.heartbeats import heartbeating
from workflows.messages.security import ScanReport, ScanRequest
from workflows.ports import Scanner
from workflows.steps import qsecure as steps


class QSecureActivities:
    """The scan step; it changes nothing."""

    def __init__(self, *, scanner: Scanner) -> None:
        self._scanner = scanner

    @activity.defn(name=steps.scan.name)
    async def scan(self, request: ScanRequest) -> ScanReport:
        """Scan code."""
        async with heartbeating():
            return await self._scanner.scan(request)
