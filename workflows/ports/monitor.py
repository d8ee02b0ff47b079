"""Something that watches services."""

from typing import Protocol

from workflows.messages.monitoring import (
    Monitoring,
    MonitoringRemoved,
    MonitoringRequest,
    RemoveMonitoringRequest,
)


class Monitor(Protocol):
    """Keeps the rules by which services are watched. Both methods are harmless to repeat."""

    async def set_up(self, request: MonitoringRequest) -> Monitoring:
        """Put a service's rules in force, in place of those that were.

        Raises:
            RulesInvalidError: The rules are none that would be loaded.
            RunUndoneError: Rules of this key were removed: it comes too late.
        """

    async def remove(self, request: RemoveMonitoringRequest) -> MonitoringRemoved:
        """Remove a service's rules; harmless when there are none."""
